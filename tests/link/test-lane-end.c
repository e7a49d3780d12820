/* SPDX-License-Identifier: MIT */
/* How a lane ends: in order, or for what nobody sends who means well. */
#include "config.h"

#include "lane-half.h"

#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-lane-struct-private.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void
on_no_frame (PyIsolateTransport *transport,
             PyIsolateFrame     *frame,
             gpointer            user_data)
{
  g_assert_not_reached ();
}

static void
on_ended (PyIsolateTransport *transport,
          const GError       *error,
          gpointer            user_data)
{
  GError **location = user_data;

  g_assert_null (*location);
  *location = error != NULL ? g_error_copy (error) : g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "orderly");
}

/* Nothing comes of what was sent, and the lane ends for this reason. */
static void
assert_refused (Half       *half,
                int         code,
                const char *what)
{
  static const PyIsolateTransportHandler handler = { on_no_frame, on_ended };
  g_autoptr (GError) error = NULL;

  _pyisolate_transport_start (PYISOLATE_TRANSPORT (half->lane), &handler, &error, NULL);
  while (_pyisolate_lane_receive (half->lane, 1))
    ;
  g_assert_true (_pyisolate_lane_is_ended (half->lane));
  g_assert_error (error, PYISOLATE_ERROR, code);
  if (strstr (error->message, what) == NULL)
    g_error ("“%s” does not say “%s”", error->message, what);

  /* And the other side is told. */
  _pyisolate_lane_receive (half->lane, 1);
  g_assert_cmpint (recv (half->peer, &code, sizeof code, 0), ==, 0);
}

/* The kernel refuses to send it, at any time. */
static PyIsolateFrame *
make_impossible (PyIsolateFrameKind kind,
                 guint64            id)
{
  PyIsolateFrame *frame = make_call (id, 10, 1);

  frame->kind = kind;
  if (kind != PYISOLATE_FRAME_CALL)
    {
      _pyisolate_frame_set_target (frame, NULL);
      _pyisolate_frame_set_name (frame, NULL);
    }
  close (frame->fds[0]);
  frame->fds[0] = G_MAXINT; /* EBADF */

  return frame;
}

static void
send_frame (Half           *half,
            PyIsolateFrame *frame)
{
  g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (half->lane), frame, NULL));
}

static void
on_error_of_2 (PyIsolateTransport *transport,
               PyIsolateFrame     *frame_to_take,
               gpointer            user_data)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GVariant) details = g_variant_ref_sink (g_variant_new_parsed ("@a{sv} {}"));
  GError **location = user_data;

  g_assert_null (*location);
  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_ERROR);
  g_assert_cmpuint (frame->id, ==, 2);
  *location = _pyisolate_frame_to_error (frame, details);
}

static void
assert_next (PyIsolateLane      *lane,
             PyIsolateFrameKind  kind,
             guint64             id)
{
  PyIsolateFrameView view;

  g_assert_true (_pyisolate_lane_next (lane, &view));
  g_assert_cmpint (view.kind, ==, kind);
  g_assert_cmpuint (view.id, ==, id);
}

/* A call or an answer that waited, and cannot be sent then, ends as an error of that call; the rest goes on. */
static void
test_cannot_be_sent (void)
{
  static const PyIsolateTransportHandler handler = { on_error_of_2, on_ended };
  g_autoptr (PyIsolateLane) peer = NULL;
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (half.lane), &handler, &error, NULL);
  _pyisolate_lane_cork (half.lane);
  send_frame (&half, make_call (1, 10, 0));
  send_frame (&half, make_impossible (PYISOLATE_FRAME_CALL, 2));
  send_frame (&half, make_impossible (PYISOLATE_FRAME_RETURN, 3));
  send_frame (&half, make_call (4, 10, 0));
  _pyisolate_lane_uncork (half.lane);
  g_assert_no_error (error); /* not within what sends */
  g_assert_cmpuint (half.n_waiting, ==, 1);

  while (_pyisolate_lane_wants_write (half.lane))
    _pyisolate_lane_flush (half.lane);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  send_frame (&half, make_call (5, 10, 0));

  peer = _pyisolate_lane_new (_pyisolate_steal_fd (&half.peer));
  _pyisolate_lane_lock (peer);
  assert_next (peer, PYISOLATE_FRAME_CALL, 1);
  assert_next (peer, PYISOLATE_FRAME_CALL, 4);
  assert_next (peer, PYISOLATE_FRAME_ERROR, 3);
  assert_next (peer, PYISOLATE_FRAME_CALL, 5);
  _pyisolate_lane_unlock (peer);
  half_clear (&half);
}

/* With anything else, the lane ends. */
static void
test_breaks (void)
{
  Half half;

  half_init (&half);
  _pyisolate_lane_cork (half.lane);
  send_frame (&half, make_impossible (PYISOLATE_FRAME_MEMORY, 0));
  _pyisolate_lane_uncork (half.lane);
  assert_refused (&half, PYISOLATE_ERROR_LIMIT, "cannot be sent");
  half_clear (&half);
}

/* A frame's head and what follows it, as it is sent: @payload has @size bytes. */
static void
send_raw (Half                      *half,
          const PyIsolateLaneHeader *header,
          gconstpointer              payload,
          gsize                      size,
          const int                 *fds,
          guint                      n_fds)
{
  union {
    struct cmsghdr align;
    char buffer[CMSG_SPACE (4 * sizeof (int))];
  } control = { .buffer = { 0 } };
  guint64 zeros = 0;
  struct iovec pieces[] = {
    { (gpointer) header, sizeof *header }, { (gpointer) payload, size }, { &zeros, PYISOLATE_LANE_PADDING (size) },
  };
  struct msghdr message = { .msg_iov = pieces, .msg_iovlen = G_N_ELEMENTS (pieces) };

  if (n_fds > 0)
    {
      struct cmsghdr *cmsg;

      message.msg_control = control.buffer;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      cmsg = CMSG_FIRSTHDR (&message);
      *cmsg = (struct cmsghdr) { CMSG_LEN (n_fds * sizeof (int)), SOL_SOCKET, SCM_RIGHTS };
      memcpy (CMSG_DATA (cmsg), fds, n_fds * sizeof (int));
    }
  g_assert_cmpint (sendmsg (half->peer, &message, 0), ==,
                   sizeof *header + size + pieces[2].iov_len);
}

#define CALL_PAYLOAD "\0\0\0\0\0\0\0\0" "\0" "name\0" /* a body of 8, an empty target, a name */
#define CALL_HEADER_OF(body, target, name) \
  .kind = PYISOLATE_FRAME_CALL, .id = 1, .body_size = (body), .target_size = (target), .name_size = (name)
#define CALL_HEADER CALL_HEADER_OF (8, 1, 5)
#define CALL_SIZE 14

static const struct {
  const char *path;
  const char *what;
  PyIsolateLaneHeader header;
  const char *payload;
  gsize size;
} bad_frames[] = {
  { "no-kind", "no such kind", { .kind = 0, .id = 1 }, "", 0 },
  { "unknown-kind", "no such kind", { .kind = 10, .id = 1 }, "", 0 },
  { "credit-for-nothing", "more was taken", { .kind = PYISOLATE_LANE_CREDIT, .credit = 1 }, "", 0 },
  { "credit-for-nothing-with-call", "more was taken", { CALL_HEADER, .credit = 1, .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "credit-of-nothing", "credit of nothing", { .kind = PYISOLATE_LANE_CREDIT, .id = 1 }, "", 0 },
  { "credit-with-body", "kind does not have", { .kind = PYISOLATE_LANE_CREDIT, .credit = 1, .body_size = 1, .part_size = 1 },
    "", 1 },
  { "credit-continued", "head of its own",
    { .kind = PYISOLATE_FRAME_CALL, .id = 1, .credit = 1, .flags = 2, .part_size = 8 }, CALL_PAYLOAD, 8 },
  { "unknown-flags", "unknown flags", { CALL_HEADER, .flags = 4, .part_size = CALL_SIZE }, CALL_PAYLOAD, CALL_SIZE },
  { "too-many-records", "too many records", { CALL_HEADER, .n_records = 1025, .flags = 1, .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "event-with-records", "kind does not have",
    { .kind = PYISOLATE_FRAME_EVENT, .n_records = 1, .name_size = 1, .part_size = 1 }, "", 1 },
  { "part-too-short", "do not add up", { CALL_HEADER, .part_size = CALL_SIZE - 1 }, CALL_PAYLOAD, CALL_SIZE },
  { "part-too-long", "do not add up", { CALL_HEADER, .part_size = CALL_SIZE + 3 }, CALL_PAYLOAD, CALL_SIZE },
  { "part-of-4-gib", "do not add up", { CALL_HEADER, .part_size = G_MAXUINT32 }, CALL_PAYLOAD, CALL_SIZE },
  { "body-of-4-gib", "too large", { CALL_HEADER_OF (G_MAXUINT32, 1, 5), .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "body-too-large", "too large", { CALL_HEADER_OF (PYISOLATE_LANE_MAX_BODY + 1, 1, 5), .flags = 1, .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "name-too-large", "too large", { CALL_HEADER_OF (8, 1, G_MAXUINT32), .flags = 1, .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "chain-too-long", "chain is too long", { CALL_HEADER, .n_chain = 257, .flags = 1, .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "no-target", "the texts of its kind", { CALL_HEADER_OF (8, 0, 5), .part_size = 13 }, CALL_PAYLOAD, 13 },
  { "a-message-too-many", "the texts of its kind", { CALL_HEADER, .message_size = 1, .part_size = 15 },
    CALL_PAYLOAD "\0", 15 },
  { "return-with-name", "the texts of its kind", { .kind = PYISOLATE_FRAME_RETURN, .name_size = 1, .part_size = 1 },
    "", 1 },
  { "error-without-name", "the texts of its kind", { .kind = PYISOLATE_FRAME_ERROR, .message_size = 1, .part_size = 1 },
    "", 1 },
  { "return-with-chain", "kind does not have", { .kind = PYISOLATE_FRAME_RETURN, .n_chain = 1, .part_size = 8 },
    CALL_PAYLOAD, 8 },
  { "cancel-with-body", "kind does not have", { .kind = PYISOLATE_FRAME_CANCEL, .body_size = 1, .part_size = 1 }, "", 1 },
  { "event-with-fds", "kind does not have", { .kind = PYISOLATE_FRAME_EVENT, .n_fds = 1, .name_size = 1, .part_size = 1 },
    "", 1 },
  { "fds-that-did-not-come", "numbers of file descriptors", { CALL_HEADER, .n_fds = 1, .part_size = CALL_SIZE },
    CALL_PAYLOAD,
    CALL_SIZE },
  { "string-without-end", "not UTF-8", { CALL_HEADER_OF (8, 1, 4), .part_size = 13 }, CALL_PAYLOAD, 13 },
  { "string-with-nul", "not UTF-8", { CALL_HEADER, .part_size = CALL_SIZE }, "\0\0\0\0\0\0\0\0" "\0" "na\0e\0", CALL_SIZE },
  { "string-not-utf-8", "not UTF-8", { CALL_HEADER, .part_size = CALL_SIZE },
    "\0\0\0\0\0\0\0\0" "\0" "na\377e\0", CALL_SIZE },
  { "continued-from-nothing", "has not begun", { .kind = PYISOLATE_FRAME_CALL, .id = 1, .flags = 2, .part_size = 8 },
    CALL_PAYLOAD, 8 },
  { "continued-with-head", "head of its own", { CALL_HEADER, .flags = 2, .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "more-of-nothing", "do not add up", { CALL_HEADER, .flags = 1, .part_size = 0 }, "", 0 },
  { "more-than-all", "do not add up", { CALL_HEADER, .flags = 1, .part_size = CALL_SIZE }, CALL_PAYLOAD, CALL_SIZE },
};

static void
test_bad_frame (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  Half half;

  half_init (&half);
  send_raw (&half, &bad_frames[i].header, bad_frames[i].payload, bad_frames[i].size, NULL, 0);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, bad_frames[i].what);
  half_clear (&half);
}

/* The same bytes make a good frame, so that the others are refused for what they say. */
static void
test_good_frame (void)
{
  const PyIsolateLaneHeader header = { CALL_HEADER, .part_size = CALL_SIZE };
  PyIsolateFrameView view;
  Half half;

  half_init (&half);
  send_raw (&half, &header, CALL_PAYLOAD, CALL_SIZE, NULL, 0);
  _pyisolate_lane_lock (half.lane);
  g_assert_true (_pyisolate_lane_next (half.lane, &view));
  g_assert_cmpuint (view.id, ==, 1);
  g_assert_cmpstr (view.target, ==, "");
  g_assert_cmpstr (view.name, ==, "name");
  g_assert_cmpmem (view.body, view.body_size, CALL_PAYLOAD, 8);
  g_assert_cmpuint ((guintptr) view.body % 8, ==, 0);
  g_assert_false (_pyisolate_lane_next (half.lane, &view));
  _pyisolate_lane_unlock (half.lane);
  g_assert_false (_pyisolate_lane_is_ended (half.lane));
  half_clear (&half);
}

static void
test_short_message (void)
{
  Half half;

  half_init (&half);
  g_assert_cmpint (send (half.peer, "short", 5, 0), ==, 5);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "without a head");
  half_clear (&half);
}

static void
test_long_message (void)
{
  g_autofree char *message = g_malloc0 (PYISOLATE_LANE_MAX_MESSAGE + 1);
  Half half;

  half_init (&half);
  g_assert_cmpint (send (half.peer, message, PYISOLATE_LANE_MAX_MESSAGE + 1, 0), >, 0);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "too long");
  half_clear (&half);
}

/* Descriptors that no frame speaks of. */
static void
test_fds_too_many (void)
{
  const PyIsolateLaneHeader header = { CALL_HEADER, .n_fds = 1, .part_size = CALL_SIZE };
  const int fds[] = { 0, 1 };
  Half half;

  half_init (&half);
  send_raw (&half, &header, CALL_PAYLOAD, CALL_SIZE, fds, 2);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "numbers of file descriptors");
  half_clear (&half);
}

static void
send_first_part (Half *half)
{
  const PyIsolateLaneHeader header = { CALL_HEADER, .flags = 1, .n_fds = 1, .part_size = 8 };
  const int fd = 0;

  send_raw (half, &header, CALL_PAYLOAD, 8, &fd, 1);
}

static void
test_parts_with_late_fds (void)
{
  const PyIsolateLaneHeader first = { CALL_HEADER, .flags = 1, .part_size = 8 };
  const PyIsolateLaneHeader rest = { .kind = PYISOLATE_FRAME_CALL, .id = 1, .flags = 2, .part_size = 6 };
  const int fd = 0;
  Half half;

  half_init (&half);
  send_raw (&half, &first, CALL_PAYLOAD, 8, NULL, 0);
  send_raw (&half, &rest, CALL_PAYLOAD, 6, &fd, 1);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "numbers of file descriptors");
  half_clear (&half);
}

/* They are closed with those of the first part. */
static void
test_parts_with_more_fds (void)
{
  const PyIsolateLaneHeader first = { CALL_HEADER, .n_fds = 1, .flags = 1, .part_size = 8 };
  const PyIsolateLaneHeader rest = { .kind = PYISOLATE_FRAME_CALL, .id = 1, .flags = 2, .part_size = 6 };
  const int fd = 0;
  guint n_fds = test_util_count_fds ();
  Half half;

  half_init (&half);
  send_raw (&half, &first, CALL_PAYLOAD, 8, &fd, 1);
  send_raw (&half, &rest, CALL_PAYLOAD, 6, &fd, 1);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "numbers of file descriptors");
  half_clear (&half);
  g_assert_cmpuint (test_util_count_fds (), ==, n_fds);
}

static void
test_parts_interrupted (void)
{
  const PyIsolateLaneHeader other = { CALL_HEADER, .part_size = CALL_SIZE };
  Half half;

  half_init (&half);
  send_first_part (&half);
  send_raw (&half, &other, CALL_PAYLOAD, CALL_SIZE, NULL, 0);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "within another");
  half_clear (&half);
}

static void
test_parts_of_another (void)
{
  const PyIsolateLaneHeader rest = { .kind = PYISOLATE_FRAME_CALL, .id = 2, .flags = 2, .part_size = 6 };
  Half half;

  half_init (&half);
  send_first_part (&half);
  send_raw (&half, &rest, CALL_PAYLOAD, 6, NULL, 0);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "has not begun");
  half_clear (&half);
}

static void
test_parts_too_many (void)
{
  const PyIsolateLaneHeader rest = { .kind = PYISOLATE_FRAME_CALL, .id = 1, .flags = 2, .part_size = 7 };
  Half half;

  half_init (&half);
  send_first_part (&half);
  send_raw (&half, &rest, CALL_PAYLOAD, 7, NULL, 0);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "more parts than it says");
  half_clear (&half);
}

static void
test_parts_too_few (void)
{
  const PyIsolateLaneHeader rest = { .kind = PYISOLATE_FRAME_CALL, .id = 1, .flags = 2, .part_size = 5 };
  Half half;

  half_init (&half);
  send_first_part (&half);
  send_raw (&half, &rest, CALL_PAYLOAD, 5, NULL, 0);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "before its end");
  half_clear (&half);
}

/* Memory that is only promised counts too. */
static void
test_parts_over_budget (void)
{
  const PyIsolateLaneHeader header = { CALL_HEADER_OF (1 << 20, 1, 5), .flags = 1, .part_size = 8 };
  PyIsolateBudget *budget = _pyisolate_budget_new ();
  Half half;

  half_init (&half);
  budget->bytes = PYISOLATE_MAX_BYTES_IN - (1 << 20);
  _pyisolate_lane_set_budget (half.lane, budget);
  send_raw (&half, &header, CALL_PAYLOAD, 8, NULL, 0);
  assert_refused (&half, PYISOLATE_ERROR_BAD_MESSAGE, "than anybody takes");
  half_clear (&half);
  g_assert_cmpuint (budget->bytes, ==, PYISOLATE_MAX_BYTES_IN - (1 << 20));
  _pyisolate_budget_unref (budget);
}

/* And counts no more when the frame has been taken, whoever has its memory. */
static void
test_parts_and_budget (void)
{
  PyIsolateBudget *budget = _pyisolate_budget_new ();
  g_autoptr (PyIsolateLane) peer = NULL;
  Half half;

  half_init (&half);
  peer = _pyisolate_lane_new (_pyisolate_steal_fd (&half.peer));
  _pyisolate_lane_set_budget (peer, budget);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (PyIsolateFrame) frame = NULL;
      PyIsolateFrameView view;

      _pyisolate_lane_receive (half.lane, 1); /* that the one before was taken */
      g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (half.lane),
                                                make_call (i, 300000, 0), NULL));
      _pyisolate_lane_lock (peer);
      while (!_pyisolate_lane_next (peer, &view))
        _pyisolate_lane_flush (half.lane);
      g_assert_cmpuint (budget->bytes, >, 300000);
      if (i < 2)
        frame = _pyisolate_lane_steal_frame (peer);
      g_assert_false (_pyisolate_lane_next (peer, &view));
      g_assert_cmpuint (budget->bytes, ==, 0);
      _pyisolate_lane_unlock (peer);
    }
  half_clear (&half);
  g_clear_object (&peer);
  _pyisolate_budget_unref (budget);
}

/* That is an error of whoever needs those of this frame. */
static void
test_no_fds_left (void)
{
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateFrame) next_frame = NULL;
  PyIsolateFrameView view;
  const PyIsolateLaneHeader header = { CALL_HEADER, .n_fds = 1, .part_size = CALL_SIZE };
  const int fd = 0;
  struct rlimit limit, old;
  int next;
  Half half;

  half_init (&half);
  send_raw (&half, &header, CALL_PAYLOAD, CALL_SIZE, &fd, 1);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &old));
  next = dup (0);
  limit = old;
  limit.rlim_cur = next;
  close (next);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
  _pyisolate_lane_lock (half.lane);
  g_assert_true (_pyisolate_lane_next (half.lane, &view));
  frame = _pyisolate_lane_steal_frame (half.lane);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &old));
  g_assert_cmpuint (frame->n_fds, ==, 0);
  g_assert_error (frame->memory_error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);

  send_raw (&half, &header, CALL_PAYLOAD, CALL_SIZE, &fd, 1);
  g_assert_true (_pyisolate_lane_next (half.lane, &view));
  next_frame = _pyisolate_lane_steal_frame (half.lane);
  _pyisolate_lane_unlock (half.lane);
  g_assert_cmpuint (next_frame->n_fds, ==, 1);
  g_assert_no_error (next_frame->memory_error);
  g_assert_false (_pyisolate_lane_is_ended (half.lane));
  half_clear (&half);
}

/* Both are the end; nobody sends an empty message. */
static void
test_end (void)
{
  static const PyIsolateTransportHandler handler = { on_no_frame, on_ended };

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      Half half;

      half_init (&half);
      _pyisolate_transport_start (PYISOLATE_TRANSPORT (half.lane), &handler, &error, NULL);
      g_assert_false (_pyisolate_lane_receive (half.lane, 1));
      g_assert_no_error (error);
      if (i == 0)
        _pyisolate_clear_fd (&half.peer);
      else
        g_assert_cmpint (send (half.peer, "", 0, 0), ==, 0);
      g_assert_false (_pyisolate_lane_receive (half.lane, 1));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
      half_clear (&half);
    }
}

int
main (int   argc,
      char *argv[])
{
  static const struct {
    const char *path;
    GTestFunc func;
  } tests[] = {
    { "good-frame", test_good_frame },
    { "short-message", test_short_message },
    { "long-message", test_long_message },
    { "fds-too-many", test_fds_too_many },
    { "parts-with-late-fds", test_parts_with_late_fds },
    { "parts-with-more-fds", test_parts_with_more_fds },
    { "parts-interrupted", test_parts_interrupted },
    { "parts-of-another", test_parts_of_another },
    { "parts-too-many", test_parts_too_many },
    { "parts-too-few", test_parts_too_few },
    { "parts-over-budget", test_parts_over_budget },
    { "parts-and-budget", test_parts_and_budget },
    { "cannot-be-sent", test_cannot_be_sent },
    { "breaks", test_breaks },
    { "end", test_end },
  };

  test_util_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (bad_frames); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/lane/bad/", bad_frames[i].path, NULL);

      test_util_add_data_func (path, GUINT_TO_POINTER (i), test_bad_frame);
    }
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/lane/", tests[i].path, NULL);

      test_util_add_func (path, tests[i].func);
    }
  /* valgrind keeps the limit itself, and the kernel does not know it. */
  if (!test_util_is_slowed ())
    test_util_add_func ("/pyisolate/lane/no-fds-left", test_no_fds_left);
  return g_test_run ();
}
