/* SPDX-License-Identifier: MIT */
/* The floor: two processes in C that play ping-pong over a stream socketpair, and memcpy into warm shared memory. */
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

#include "subject.h"

#define MOST_ON_THEIR_WAY 64
#define LARGEST_COPY (G_GUINT64_CONSTANT (1) << 30)

typedef struct {
  gboolean copies;
  int fd;
  /* Of memcpy: from private into shared memory. */
  gsize n_bytes;
  char *from;
  char *to;
} Raw;

static gboolean
read_all (int    fd,
          void  *data,
          gsize  n_bytes)
{
  gsize done = 0;

  while (done < n_bytes)
    {
      gssize n = read (fd, (char *) data + done, n_bytes - done);

      if (n <= 0)
        return FALSE;
      done += n;
    }
  return TRUE;
}

static gboolean
write_all (int         fd,
           const void *data,
           gsize       n_bytes)
{
  gsize done = 0;

  while (done < n_bytes)
    {
      gssize n = write (fd, (const char *) data + done, n_bytes - done);

      if (n <= 0)
        return FALSE;
      done += n;
    }
  return TRUE;
}

/* The other process: the first eight bytes of a message are its whole size. */
static void
serve (int fd)
{
  g_autoptr (GByteArray) buffer = g_byte_array_new ();
  guint64 n_bytes;

  while (read_all (fd, &n_bytes, sizeof n_bytes))
    {
      g_byte_array_set_size (buffer, n_bytes);
      memcpy (buffer->data, &n_bytes, sizeof n_bytes);
      if (!read_all (fd, buffer->data + sizeof n_bytes, n_bytes - sizeof n_bytes) ||
          !write_all (fd, buffer->data, n_bytes))
        break;
    }
}

static int
start_server (void)
{
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    g_error ("socketpair: %s", g_strerror (errno));
  switch (fork ())
    {
    case -1:
      g_error ("fork: %s", g_strerror (errno));
    case 0:
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      close (fds[0]);
      serve (fds[1]);
      _exit (0);
    default:
      close (fds[1]);
      return fds[0];
    }
}

static gboolean
raw_failed (GError    **error,
            const char *what)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what, g_strerror (errno));
  return FALSE;
}

static void
forget_copy (Raw *raw)
{
  if (raw->n_bytes == 0)
    return;
  munmap (raw->from, raw->n_bytes);
  munmap (raw->to, raw->n_bytes);
  raw->n_bytes = 0;
}

static gboolean
prepare_copy (Raw     *raw,
              gsize    n_bytes,
              GError **error)
{
  if (raw->n_bytes == n_bytes)
    return TRUE;
  forget_copy (raw);
  raw->from = mmap (NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  raw->to = mmap (NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (raw->from == MAP_FAILED || raw->to == MAP_FAILED)
    return raw_failed (error, "mmap");
  raw->n_bytes = n_bytes;
  memset (raw->from, 1, n_bytes);
  memcpy (raw->to, raw->from, n_bytes);
  return TRUE;
}

static gboolean
prepare (const Workload *workload,
         const char    **cannot,
         gpointer        user_data,
         GError        **error)
{
  Raw *raw = user_data;

  if (raw->copies)
    {
      if (workload->n_bytes < 1024)
        *cannot = "there is nothing to copy";
      else if (workload->n_bytes > LARGEST_COPY)
        *cannot = "memcpy is measured up to 1 GiB";
      else
        return prepare_copy (raw, workload->n_bytes, error);
    }
  else if (!g_str_equal (workload->kind, "echo") && !g_str_equal (workload->kind, "many"))
    *cannot = "there is nothing but bytes on a raw socket";
  else if (!g_str_has_prefix (workload->name, "int") && !g_str_has_prefix (workload->name, "bytes") &&
           !g_str_has_prefix (workload->name, "str") && !g_str_has_prefix (workload->name, "flight"))
    *cannot = "there is nothing but bytes on a raw socket";
  return TRUE;
}

/* No more on their way than the buffers of both sockets hold: else both sides wait for room. */
static gboolean
send_and_receive (int         fd,
                  const char *sent,
                  char       *received,
                  gsize       n_bytes,
                  gsize       count)
{
  gsize n_sent = 0;
  gsize n_received = 0;

  while (n_received < n_bytes * count)
    {
      gssize n;

      for (; n_sent < count && n_sent - n_received / n_bytes < MOST_ON_THEIR_WAY; n_sent++)
        if (!write_all (fd, sent + n_sent * n_bytes, n_bytes))
          return FALSE;
      n = read (fd, received + n_received, n_sent * n_bytes - n_received);
      if (n <= 0)
        return FALSE;
      n_received += n;
    }
  return TRUE;
}

static gboolean
ping_pong (Raw            *raw,
           const Workload *workload,
           Samples        *samples,
           GError        **error)
{
  gsize n_bytes = MAX (workload->n_bytes, sizeof (guint64));
  gsize count = g_str_equal (workload->kind, "many") ? workload->count : 1;
  g_autofree guint64 *sent = g_malloc0 (n_bytes * count);
  g_autofree guint64 *received = g_malloc0 (n_bytes * count);

  /* Several in flight are of eight bytes each. */
  for (gsize i = 0; i < count; i++)
    sent[i] = n_bytes;
  while (samples_want (samples))
    {
      gint64 begin = subject_now ();

      if (!send_and_receive (raw->fd, (const char *) sent, (char *) received, n_bytes, count))
        return raw_failed (error, "socket");
      samples_add (samples, (subject_now () - begin) / (gint64) count);
    }
  if (memcmp (sent, received, n_bytes * count) != 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "came back different");
      return FALSE;
    }
  return TRUE;
}

static gboolean
measure (const Workload *workload,
         Samples        *samples,
         gpointer        user_data,
         GError        **error)
{
  Raw *raw = user_data;

  if (!raw->copies)
    return ping_pong (raw, workload, samples, error);
  while (samples_want (samples))
    {
      gint64 begin = subject_now ();

      memcpy (raw->to, raw->from, raw->n_bytes);
      /* A copy that nobody reads might be left out. */
      __asm__ volatile ("" : : "r" (raw->to) : "memory");
      samples_add (samples, subject_now () - begin);
    }
  return TRUE;
}

int
main (int   argc,
      char *argv[])
{
  const Subject subject = { prepare, measure };
  Raw raw = { .copies = argc > 1 && g_str_equal (argv[1], "memcpy"), .fd = -1 };

  if (!raw.copies)
    raw.fd = start_server ();
  return subject_run (&subject, &raw);
}
