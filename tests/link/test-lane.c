/* SPDX-License-Identifier: MIT */
/* What only a lane has: parts, queues, corks; and messages that nobody sends who means well. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-lane-wire-private.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A lane without a reader of its own, and the other end as it is. */
typedef struct {
  PyIsolateLane *lane;
  int peer;
  guint n_waiting;
} Half;

static void
on_waiting (PyIsolateLane *lane,
            gpointer       data)
{
  ((Half *) data)->n_waiting++;
}

static void
half_init (Half *half)
{
  int fds[2];

  g_assert_true (_pyisolate_lane_socketpair (fds));
  half->lane = _pyisolate_lane_new (fds[0]);
  half->peer = fds[1];
  half->n_waiting = 0;
  _pyisolate_lane_set_waiting_func (half->lane, on_waiting, half);
}

static void
half_clear (Half *half)
{
  g_clear_object (&half->lane);
  _pyisolate_clear_fd (&half->peer);
}

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

static PyIsolateFrame *
make_call (guint64 id,
           gsize   size,
           guint   n_fds)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, id);
  guint8 *body = g_malloc (size);
  int *fds = g_new (int, n_fds);

  for (gsize i = 0; i < size; i++)
    body[i] = (guint8) (i * 31 + id);
  for (guint i = 0; i < n_fds; i++)
    fds[i] = _pyisolate_dup_fd (0, NULL);
  frame->target = g_strdup ("");
  frame->name = g_strdup ("name");
  frame->body = g_bytes_new_take (body, size);
  _pyisolate_frame_take_fds (frame, fds, n_fds);

  return frame;
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
  g_assert_cmpint (sendmsg (half->peer, &message, 0), ==, sizeof *header + size + pieces[2].iov_len);
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
  { "unknown-kind", "no such kind", { .kind = 9, .id = 1 }, "", 0 },
  { "unknown-flags", "unknown flags", { CALL_HEADER, .flags = 4, .part_size = CALL_SIZE }, CALL_PAYLOAD, CALL_SIZE },
  { "too-many-records", "too many records", { CALL_HEADER, .n_records = 1025, .flags = 1, .part_size = CALL_SIZE },
    CALL_PAYLOAD, CALL_SIZE },
  { "event-with-records", "kind does not have",
    { .kind = PYISOLATE_FRAME_EVENT, .n_records = 1, .name_size = 1, .part_size = 1 }, "", 1 },
  { "part-too-short", "do not add up", { CALL_HEADER, .part_size = CALL_SIZE - 1 }, CALL_PAYLOAD, CALL_SIZE },
  { "part-too-long", "do not add up", { CALL_HEADER, .part_size = CALL_SIZE + 3 }, CALL_PAYLOAD, CALL_SIZE },
  { "part-of-4-gib", "do not add up", { CALL_HEADER, .part_size = G_MAXUINT32 }, CALL_PAYLOAD, CALL_SIZE },
  { "body-of-2-to-64", "too large", { CALL_HEADER_OF (G_MAXUINT64, 1, 5), .part_size = CALL_SIZE },
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

      g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (half.lane), make_call (i, 300000, 0), NULL));
      _pyisolate_lane_lock (peer);
      while (!_pyisolate_lane_next (peer, &view))
        _pyisolate_lane_flush (half.lane);
      g_assert_cmpuint (budget->bytes, >, 300000);
      if (i > 0)
        frame = _pyisolate_lane_steal_frame (peer);
      g_assert_false (_pyisolate_lane_next (peer, &view));
      g_assert_cmpuint (budget->bytes, ==, 0);
      _pyisolate_lane_unlock (peer);
    }
  half_clear (&half);
  g_clear_object (&peer);
  _pyisolate_budget_unref (budget);
}

static void
test_no_fds_left (void)
{
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
  assert_refused (&half, PYISOLATE_ERROR_LIMIT, "no file descriptors are left");
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &old));
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

static void
assert_is_call (PyIsolateFrame *frame,
                guint64         id,
                gsize           size,
                guint           n_fds)
{
  g_autoptr (PyIsolateFrame) expected = make_call (id, size, 0);

  g_assert_cmpuint (frame->id, ==, id);
  g_assert_cmpuint (frame->n_fds, ==, n_fds);
  g_assert_cmpstr (frame->name, ==, "name");
  g_assert_true (g_bytes_equal (frame->body, expected->body));
}

/* Around the bounds of messages, with descriptors and without; all are still what they were when the last has come. */
static void
test_sizes (void)
{
  const gsize room = PYISOLATE_LANE_MAX_MESSAGE - sizeof (PyIsolateLaneHeader) - 6;
  const gsize sizes[] = {
    0, 1, 7, 8, 1990, 2010, 8191, 8192, room - 1, room, room + 1, room + 6, 2 * room, 2 * room + 50, 1 << 20,
  };
  g_autoptr (LinkPair) pair = link_pair_new (LINK_LANE, LINK_CAREFUL);
  PyIsolateFrame *frames[2 * G_N_ELEMENTS (sizes)];

  link_side_start (&pair->host);
  link_side_start (&pair->worker);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    link_side_send (&pair->host, make_call (i, sizes[i / 2], i % 2));
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    frames[i] = link_box_take (pair->worker.box);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    {
      assert_is_call (frames[i], i, sizes[i / 2], i % 2);
      _pyisolate_frame_free (frames[i]);
    }
}

static void
test_long_texts (void)
{
  g_autoptr (LinkPair) pair = link_pair_new (LINK_LANE, LINK_CAREFUL);
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, 1);
  g_autoptr (PyIsolateFrame) arrived = NULL;
  g_autofree char *text = g_strnfill (1 << 20, 'x');

  link_side_start (&pair->host);
  link_side_start (&pair->worker);
  frame->name = g_strdup ("org.pyisolate.Error.Failed");
  frame->message = g_strdup (text);
  frame->body = g_bytes_new_static ("", 0);
  link_side_send (&pair->worker, frame);
  arrived = link_box_take (pair->host.box);
  g_assert_cmpstr (arrived->message, ==, text);
}

static void
test_too_large (void)
{
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  g_assert_false (_pyisolate_transport_send (PYISOLATE_TRANSPORT (half.lane), make_call (1, PYISOLATE_LANE_MAX_BODY + 1, 0),
                                             &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  half_clear (&half);
}

static gboolean
try_send (Half           *half,
          PyIsolateFrame *frame,
          GError        **error)
{
  return _pyisolate_transport_send (PYISOLATE_TRANSPORT (half->lane), frame, error);
}

/* The other end of a half as a lane, which is read to the last frame. */
static void
assert_arrive (Half          *half,
               const guint64 *ids,
               guint          n_ids,
               gsize          size)
{
  g_autoptr (PyIsolateLane) peer = _pyisolate_lane_new (_pyisolate_steal_fd (&half->peer));
  guint n_frames = 0;
  gboolean more = TRUE;
  PyIsolateFrameView view;

  _pyisolate_lane_lock (peer);
  while (more)
    {
      while (_pyisolate_lane_next (peer, &view))
        {
          g_autoptr (PyIsolateFrame) frame = _pyisolate_lane_steal_frame (peer);

          g_assert_cmpuint (n_frames, <, n_ids);
          assert_is_call (frame, ids[n_frames++], size, 0);
        }
      more = _pyisolate_lane_wants_write (half->lane);
      _pyisolate_lane_flush (half->lane);
    }
  g_assert_cmpuint (n_frames, ==, n_ids);
  _pyisolate_lane_unlock (peer);
}

/* Who does not read makes frames wait, in order, and is told of once. */
static void
check_waiting (gsize size,
               guint n_frames)
{
  g_autofree guint64 *ids = g_new (guint64, n_frames);
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  for (guint i = 0; i < n_frames; i++)
    {
      ids[i] = i;
      g_assert_true (try_send (&half, make_call (i, size, 0), &error));
      g_assert_no_error (error);
    }
  g_assert_true (_pyisolate_lane_wants_write (half.lane));
  g_assert_cmpuint (half.n_waiting, ==, 1);
  _pyisolate_lane_flush (half.lane);
  g_assert_true (_pyisolate_lane_wants_write (half.lane));
  assert_arrive (&half, ids, n_frames, size);
  g_assert_false (_pyisolate_lane_wants_write (half.lane));
  half_clear (&half);
}

static void
test_waiting (void)
{
  check_waiting (10, 20000);
  check_waiting (3000, 1000);
  check_waiting (300000, 20);
}

/* A call that would wait behind too much is refused; what ends calls is not, for much longer. */
static void
test_limits (void)
{
  const gsize size = 8 << 20;
  guint n_calls = 0;
  guint n_answers = 0;
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  while (try_send (&half, make_call (n_calls + 1, size, 0), &error))
    n_calls++;
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (n_calls, >=, (PYISOLATE_LANE_MAX_QUEUED / size) - 1);
  g_assert_cmpuint (n_calls, <=, (PYISOLATE_LANE_MAX_QUEUED / size) + 1);
  g_clear_error (&error);

  g_assert_false (try_send (&half, make_call (1000, size, 0), NULL));
  g_assert_true (try_send (&half, make_call (1001, 10, 0), NULL));
  for (;;)
    {
      PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, n_answers);
      static const guint8 zeros[8 << 20];

      frame->body = g_bytes_new_static (zeros, size);
      if (!try_send (&half, frame, &error))
        break;
      n_answers++;
    }
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (n_answers, >, 100);
  g_clear_error (&error);
  g_assert_false (try_send (&half, make_call (1002, 0, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  half_clear (&half);
}

/* What has not been sent can be taken back, and the rest arrives. */
static void
check_withdraw (gsize size)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));
  guint64 n_calls = 0;
  guint64 last;
  Half half;

  half_init (&half);
  while (!_pyisolate_lane_wants_write (half.lane))
    {
      g_assert_true (try_send (&half, make_call (n_calls, size, 0), NULL));
      g_array_append_val (ids, n_calls);
      n_calls++;
    }
  last = n_calls - 1;
  for (guint i = 0; i < 3; i++)
    g_assert_true (try_send (&half, make_call (n_calls++, size, 0), NULL));

  g_assert_false (_pyisolate_lane_withdraw (half.lane, 0));
  g_assert_true (_pyisolate_lane_withdraw (half.lane, last + 2));
  g_assert_false (_pyisolate_lane_withdraw (half.lane, last + 2));
  last++;
  g_array_append_val (ids, last);
  last += 2;
  g_array_append_val (ids, last);
  assert_arrive (&half, (const guint64 *) (gpointer) ids->data, ids->len, size);
  half_clear (&half);
}

static void
test_withdraw (void)
{
  check_withdraw (10);
  check_withdraw (3000);
  check_withdraw (40000);
}

static void
test_cork (void)
{
  guint8 message[4096];
  Half half;

  half_init (&half);
  _pyisolate_lane_cork (half.lane);
  _pyisolate_lane_cork (half.lane);
  for (guint i = 0; i < 5; i++)
    g_assert_true (try_send (&half, make_call (i, 8, 0), NULL));
  _pyisolate_lane_uncork (half.lane);
  g_assert_cmpint (recv (half.peer, message, sizeof message, MSG_DONTWAIT), <, 0);
  g_assert_cmpuint (half.n_waiting, ==, 0);
  _pyisolate_lane_uncork (half.lane);

  g_assert_cmpint (recv (half.peer, message, sizeof message, MSG_DONTWAIT), ==, 5 * (sizeof (PyIsolateLaneHeader) + 16));
  g_assert_cmpint (recv (half.peer, message, sizeof message, MSG_DONTWAIT), <, 0);
  half_clear (&half);
}

/* The bytes of a sender that has its own memory may change once it has sent them; so may its descriptors. */
static void
test_views (void)
{
  char body[300000];
  int fd = _pyisolate_dup_fd (0, NULL);
  PyIsolateFrameView view = {
    .kind = PYISOLATE_FRAME_CALL, .id = 1, .target = "", .name = "name",
    .body = (guint8 *) body, .body_size = sizeof body, .fds = &fd, .n_fds = 1,
  };
  g_autoptr (PyIsolateFrame) expected = make_call (1, sizeof body, 0);
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateLane) peer = NULL;
  Half half;

  half_init (&half);
  memcpy (body, g_bytes_get_data (expected->body, NULL), sizeof body);
  g_assert_true (_pyisolate_lane_send_view (half.lane, &view, NULL));
  g_assert_true (_pyisolate_lane_wants_write (half.lane));
  memset (body, 0, sizeof body);
  close (fd);

  peer = _pyisolate_lane_new (_pyisolate_steal_fd (&half.peer));
  _pyisolate_lane_lock (peer);
  while (!_pyisolate_lane_next (peer, &view))
    _pyisolate_lane_flush (half.lane);
  frame = _pyisolate_lane_steal_frame (peer);
  _pyisolate_lane_unlock (peer);
  assert_is_call (frame, 1, sizeof body, 1);
  half_clear (&half);
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
    { "parts-interrupted", test_parts_interrupted },
    { "parts-of-another", test_parts_of_another },
    { "parts-too-many", test_parts_too_many },
    { "parts-too-few", test_parts_too_few },
    { "parts-over-budget", test_parts_over_budget },
    { "parts-and-budget", test_parts_and_budget },
    { "end", test_end },
    { "sizes", test_sizes },
    { "long-texts", test_long_texts },
    { "too-large", test_too_large },
    { "waiting", test_waiting },
    { "limits", test_limits },
    { "withdraw", test_withdraw },
    { "cork", test_cork },
    { "views", test_views },
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
