/* SPDX-License-Identifier: MIT */
/* Lines from a pipe that the test itself writes to. */
#include "config.h"

#include "pyisolate-log-tail-private.h"
#include "pyisolate-output-private.h"

#include "test-util.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TIMEOUT_MS 60000

typedef struct {
  PyIsolateOutput *output;
  int write_fd;
  GPtrArray *lines;
} Reader;

static void
on_line (const char *line,
         gpointer    user_data)
{
  Reader *reader = user_data;

  g_assert_true (g_utf8_validate (line, -1, NULL));
  g_ptr_array_add (reader->lines, g_strdup (line));
}

static Reader *
reader_new (void)
{
  Reader *reader = g_new0 (Reader, 1);
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_unix_open_pipe (fds, FD_CLOEXEC, &error);
  g_assert_no_error (error);
  reader->write_fd = fds[1];
  reader->lines = g_ptr_array_new_with_free_func (g_free);
  reader->output = _pyisolate_output_new (fds[0], on_line, reader);
  _pyisolate_output_start (reader->output, NULL);
  return reader;
}

static void
reader_close (Reader *reader)
{
  if (reader->write_fd >= 0)
    close (reader->write_fd);
  reader->write_fd = -1;
}

static void
reader_free (Reader *reader)
{
  reader_close (reader);
  _pyisolate_output_free (reader->output);
  g_ptr_array_unref (reader->lines);
  g_free (reader);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reader, reader_free)

static void
reader_write (Reader     *reader,
              const char *bytes,
              gsize       n_bytes)
{
  g_assert_cmpint (write (reader->write_fd, bytes, n_bytes), ==, n_bytes);
}

static void
reader_assert_lines (Reader *reader,
                     ...)
{
  const char *line;
  va_list args;
  guint n = 0;

  va_start (args, reader);
  while ((line = va_arg (args, const char *)) != NULL)
    {
      g_assert_cmpuint (n, <, reader->lines->len);
      g_assert_cmpstr (g_ptr_array_index (reader->lines, n), ==, line);
      n++;
    }
  va_end (args);
  g_assert_cmpuint (reader->lines->len, ==, n);
}

static gboolean
has_two_lines (gpointer data)
{
  return ((Reader *) data)->lines->len >= 2;
}

static gboolean
has_three_lines (gpointer data)
{
  return ((Reader *) data)->lines->len >= 3;
}

static void
test_lines (void)
{
  g_autoptr (Reader) reader = reader_new ();

  reader_write (reader, "one\ntwo\r\nthr", 12);
  test_util_assert_until (has_two_lines, reader, TIMEOUT_MS);
  reader_assert_lines (reader, "one", "two", NULL);
  reader_write (reader, "ee\n\nfi", 6);
  test_util_assert_until (has_three_lines, reader, TIMEOUT_MS);
  reader_close (reader);
  _pyisolate_output_drain (reader->output);
  reader_assert_lines (reader, "one", "two", "three", "", "fi", NULL);
  /* It is over: nothing is told twice. */
  _pyisolate_output_drain (reader->output);
  g_assert_cmpuint (reader->lines->len, ==, 5);
}

static void
test_progress_bar (void)
{
  g_autoptr (Reader) reader = reader_new ();
  g_autoptr (GString) states = g_string_new ("start\n");

  reader_write (reader, "\r 0%\r50%\r100%\nab\r\r\n\r\nx\ry", 24);
  reader_close (reader);
  _pyisolate_output_drain (reader->output);
  reader_assert_lines (reader, "100%", "ab", "", "y", NULL);

  /* Longer than a line may be, in pieces that end anywhere. */
  g_clear_pointer (&reader, reader_free);
  reader = reader_new ();
  for (guint i = 0; i <= 4000; i++)
    g_string_append_printf (states, "\r%u of 4000", i);
  g_string_append (states, "\r\nend");
  for (gsize sent = 0; sent < states->len; sent += 700)
    reader_write (reader, states->str + sent, MIN (states->len - sent, 700));
  reader_close (reader);
  _pyisolate_output_drain (reader->output);
  reader_assert_lines (reader, "start", "4000 of 4000", "end", NULL);
}

static void
test_partial_line_at_end (void)
{
  g_autoptr (Reader) reader = reader_new ();

  reader_write (reader, "a\nb", 3);
  reader_close (reader);
  test_util_assert_until (has_two_lines, reader, TIMEOUT_MS);
  reader_assert_lines (reader, "a", "b", NULL);
}

static void
test_invalid_utf8 (void)
{
  g_autoptr (Reader) reader = reader_new ();

  reader_write (reader, "a\xff" "b\0c\nz\xc3\xbc\n\xe2\x82\n", 13);
  reader_close (reader);
  _pyisolate_output_drain (reader->output);
  reader_assert_lines (reader, "a\357\277\275b\357\277\275c", "z\xc3\xbc",
                       "\357\277\275\357\277\275", NULL);
}

static void
assert_cut (gsize       n_letters,
            const char *character,
            guint       n_pieces)
{
  g_autoptr (Reader) reader = reader_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) all = g_string_new (NULL);

  while (text->len < n_letters)
    g_string_append_c (text, 'a');
  while (text->len < PYISOLATE_OUTPUT_MAX_LINE * 2)
    g_string_append (text, character);
  g_string_truncate (text,
                     text->len - text->len % strlen (character) + n_letters % strlen (character));
  reader_write (reader, text->str, text->len);
  reader_write (reader, "\n", 1);
  reader_close (reader);
  _pyisolate_output_drain (reader->output);
  for (guint i = 0; i < reader->lines->len; i++)
    {
      const char *line = g_ptr_array_index (reader->lines, i);

      g_assert_cmpuint (strlen (line), <=, PYISOLATE_OUTPUT_MAX_LINE);
      g_string_append (all, line);
    }
  g_assert_cmpuint (reader->lines->len, ==, n_pieces);
  g_assert_cmpstr (all->str, ==, text->str);
}

/* Pieces are cut between characters, wherever these stand; and a line that fits exactly leaves
 * no empty piece. */
static void
test_long_lines (void)
{
  assert_cut (0, "b", 2);
  for (gsize offset = 1; offset <= 4; offset++)
    {
      assert_cut (offset, "\xc3\xbc", offset == 2 || offset == 4 ? 2 : 3);
      assert_cut (offset, "\xf0\x9f\x90\x8d", offset == 4 ? 2 : 3);
    }
}

/* What is cut where no character could have been is still told, all of it. */
static void
test_long_garbage (void)
{
  g_autoptr (Reader) reader = reader_new ();
  char garbage[PYISOLATE_OUTPUT_MAX_LINE * 2];
  gsize n_replaced = 0;

  memset (garbage, 0x80, sizeof garbage);
  reader_write (reader, garbage, sizeof garbage);
  reader_close (reader);
  _pyisolate_output_drain (reader->output);
  for (guint i = 0; i < reader->lines->len; i++)
    n_replaced += (gsize) g_utf8_strlen (g_ptr_array_index (reader->lines, i), -1);
  g_assert_cmpuint (n_replaced, ==, sizeof garbage);
}

/* The other end is held open by somebody: draining must not wait for its close. */
static void
test_drain_of_an_open_pipe (void)
{
  g_autoptr (Reader) reader = reader_new ();

  reader_write (reader, "a\nb", 3);
  _pyisolate_output_drain (reader->output);
  reader_assert_lines (reader, "a", "b", NULL);
}

static gpointer
write_for_ever (gpointer data)
{
  Reader *reader = data;
  char line[256];

  memset (line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  while (write (reader->write_fd, line, sizeof line) > 0 || errno == EINTR)
    ;
  return NULL;
}

static gboolean
pipe_is_full (Reader *reader)
{
  int n_bytes;

  g_assert_cmpint (ioctl (reader->write_fd, FIONREAD, &n_bytes), ==, 0);
  return n_bytes > 60000;
}

/* … nor read for as long as somebody writes. */
static void
test_drain_of_a_flood (void)
{
  g_autoptr (Reader) reader = reader_new ();
  GThread *writer = g_thread_new ("flood", write_for_ever, reader);

  test_util_assert_until (has_two_lines, reader, TIMEOUT_MS);
  /* Not in the main context, so nobody reads meanwhile. */
  while (!pipe_is_full (reader))
    g_thread_yield ();
  _pyisolate_output_drain (reader->output);
  g_thread_join (writer);
  g_assert_cmpuint (reader->lines->len, >, 200);
}

static void
on_line_count (const char *line,
               gpointer    user_data)
{
  (*(guint *) user_data)++;
}

static gboolean
on_idle (gpointer data)
{
  (*(guint *) data)++;
  return G_SOURCE_CONTINUE;
}

static gboolean
is_many (gpointer data)
{
  return *(guint *) data > 100000;
}

static void
test_flood_leaves_room (void)
{
  g_autoptr (GError) error = NULL;
  guint n_lines = 0;
  guint n_idles = 0;
  guint idle = g_idle_add (on_idle, &n_idles);
  Reader writer = { NULL };
  PyIsolateOutput *output;
  GThread *thread;
  int fds[2];

  g_unix_open_pipe (fds, FD_CLOEXEC, &error);
  g_assert_no_error (error);
  writer.write_fd = fds[1];
  output = _pyisolate_output_new (fds[0], on_line_count, &n_lines);
  _pyisolate_output_start (output, NULL);
  thread = g_thread_new ("flood", write_for_ever, &writer);
  test_util_assert_until (is_many, &n_lines, TIMEOUT_MS);
  /* At most 64 of these lines are read at once; an idle source is the least that gets its turn
   * in between. */
  g_assert_cmpuint (n_idles, >, 1000);
  _pyisolate_output_free (output);
  g_thread_join (thread);
  close (fds[1]);
  g_source_remove (idle);
}

static void
test_tail_is_bounded (void)
{
  g_autoptr (PyIsolateLogTail) by_lines = _pyisolate_log_tail_new (3, 0);
  g_autoptr (PyIsolateLogTail) by_bytes = _pyisolate_log_tail_new (0, 10);
  g_auto (GStrv) lines = NULL;
  g_auto (GStrv) few = NULL;
  g_auto (GStrv) one = NULL;

  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *line = g_strdup_printf ("line %u", i);

      _pyisolate_log_tail_append (by_lines, line);
      _pyisolate_log_tail_append (by_bytes, line);
    }
  lines = _pyisolate_log_tail_dup_lines (by_lines);
  g_assert_cmpuint (g_strv_length (lines), ==, 3);
  g_assert_cmpstr (lines[0], ==, "line 997");
  g_assert_cmpstr (lines[2], ==, "line 999");
  few = _pyisolate_log_tail_dup_lines (by_bytes);
  g_assert_cmpuint (g_strv_length (few), ==, 1);
  g_assert_cmpstr (few[0], ==, "line 999");
  _pyisolate_log_tail_append (by_bytes, "longer than all that it may hold");
  one = _pyisolate_log_tail_dup_lines (by_bytes);
  g_assert_cmpuint (g_strv_length (one), ==, 1);
  g_assert_cmpstr (one[0], ==, "longer than all that it may hold");
}

static gpointer
append_many (gpointer data)
{
  for (guint i = 0; i < 10000; i++)
    _pyisolate_log_tail_append (data, "some line");
  return NULL;
}

static void
test_tail_in_threads (void)
{
  g_autoptr (PyIsolateLogTail) tail = _pyisolate_log_tail_new (0, 0);
  GThread *threads[4];
  g_auto (GStrv) lines = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("append", append_many, tail);
  for (guint i = 0; i < 100; i++)
    {
      g_auto (GStrv) some = _pyisolate_log_tail_dup_lines (tail);

      g_assert_cmpuint (g_strv_length (some), <=, 200);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  lines = _pyisolate_log_tail_dup_lines (tail);
  g_assert_cmpuint (g_strv_length (lines), ==, 200);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  /* The threads that write learn from EPIPE that the reader is gone. */
  signal (SIGPIPE, SIG_IGN);
  test_util_add_func ("/pyisolate/output/lines", test_lines);
  test_util_add_func ("/pyisolate/output/progress-bar", test_progress_bar);
  test_util_add_func ("/pyisolate/output/partial-line-at-end", test_partial_line_at_end);
  test_util_add_func ("/pyisolate/output/invalid-utf8", test_invalid_utf8);
  test_util_add_func ("/pyisolate/output/long-lines", test_long_lines);
  test_util_add_func ("/pyisolate/output/long-garbage", test_long_garbage);
  test_util_add_func ("/pyisolate/output/drain-of-an-open-pipe", test_drain_of_an_open_pipe);
  test_util_add_func ("/pyisolate/output/drain-of-a-flood", test_drain_of_a_flood);
  test_util_add_func ("/pyisolate/output/flood-leaves-room", test_flood_leaves_room);
  test_util_add_func ("/pyisolate/log-tail/bounded", test_tail_is_bounded);
  test_util_add_func ("/pyisolate/log-tail/threads", test_tail_in_threads);
  return g_test_run ();
}
