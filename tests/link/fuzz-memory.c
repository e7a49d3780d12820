/* SPDX-License-Identifier: MIT */
/* Whatever a worker says about shared memory: the host's own pieces stay as they are, and its pool within its limit.
 *
 * An input is a row of steps. A byte below 0x40 passes one of the host's pieces; one below 0x80 takes a piece of the pool and lets
 * go of it; any other is the number of records of a frame from the worker, each of four bytes: kind, flags, number and argument. Of
 * the last two 0xff is the largest there is, and an argument of 0x80 or more counts in units of 256. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-memory-book-private.h"

#include <fcntl.h>
#include <stdint.h>

#define LIMIT (64 * 1024)
#define SIZE 5000
#define LARGE_SIZE 32000

int LLVMFuzzerTestOneInput (const uint8_t *data,
                            size_t         size);

static guint64
widen (uint8_t byte)
{
  return byte != 0xff ? byte : G_MAXUINT64;
}

/* So that it can be about a size, too. */
static guint64
widen_argument (uint8_t byte)
{
  return byte < 0x80 || byte == 0xff ? widen (byte) : (guint64) (byte & 0x7f) << 8;
}

/* Consumes bytes of the input. */
static PyIsolateFrame *
read_frame (const uint8_t **data,
            size_t         *size)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);
  guint n_records = MIN ((guint) (**data & 0x3f), (*size - 1) / 4);
  int *fds = g_new (int, n_records + 1);
  guint n_fds = 0;

  frame->records = g_new (PyIsolateMemoryRecord, n_records);
  frame->n_records = n_records;
  for (guint i = 0; i < n_records; i++)
    {
      const uint8_t *record = *data + 1 + 4 * i;

      frame->records[i] = (PyIsolateMemoryRecord) { record[0], record[1], widen (record[2]),
                                                    widen_argument (record[3]) };
      if (record[1] & 0x80)
        fds[n_fds++] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    }
  _pyisolate_frame_take_fds (frame, fds, n_fds);
  *data += 1 + 4 * n_records;
  *size -= 1 + 4 * n_records;

  return frame;
}

static void
pass (PyIsolateMemoryBook *host,
      PyIsolateMemory     *memory)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 1);

  _pyisolate_frame_add_memory (frame, pyisolate_memory_ref (memory));
  g_assert_true (_pyisolate_memory_book_fill (host, frame, NULL));
}

static void
use_pool (PyIsolateMemoryBook *host)
{
  g_autoptr (PyIsolateMemory) memory = NULL;

  memory = _pyisolate_memory_book_allocate (host, SIZE, PYISOLATE_MEMORY_NONE, NULL);
}

static gboolean
arrive (PyIsolateMemoryBook *host,
        PyIsolateFrame      *frame)
{
  g_autoptr (GError) error = NULL;

  if (_pyisolate_memory_book_take (host, frame, &error))
    return TRUE;

  g_assert_true (error != NULL && error->domain == PYISOLATE_ERROR);
  return FALSE;
}

static void
check (PyIsolateMemoryBook *host,
       PyIsolateMemory     *memory,
       PyIsolateMemory     *pooled)
{
  PyIsolateMemoryStatus status;

  _pyisolate_memory_book_get_status (host, &status);
  g_assert_true (status.size <= LIMIT && status.free_size <= status.size);
  g_assert_true (pyisolate_memory_map (memory, NULL)[SIZE - 1] == 1);
  g_assert_true (pyisolate_memory_map (pooled, NULL)[SIZE - 1] == 2);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  PyIsolateMemoryBook *host = _pyisolate_memory_book_new_host (LIMIT);
  PyIsolateMemory *memory = pyisolate_memory_new (SIZE, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *large = pyisolate_memory_new (LARGE_SIZE, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *pooled = _pyisolate_memory_book_allocate (host, SIZE, PYISOLATE_MEMORY_NONE, NULL);
  gboolean goes_on = TRUE;

  pyisolate_memory_map (memory, NULL)[SIZE - 1] = 1;
  pyisolate_memory_map (pooled, NULL)[SIZE - 1] = 2;
  while (goes_on && size > 0)
    {
      if (*data < 0x80)
        {
          if (*data < 0x40 && *data & 0x20)
            pass (host, large);
          else if (*data < 0x40)
            pass (host, *data % 2 == 0 ? memory : pooled);
          else
            use_pool (host);
          data++;
          size--;
        }
      else
        {
          g_autoptr (PyIsolateFrame) frame = read_frame (&data, &size);

          goes_on = arrive (host, frame);
        }
      check (host, memory, pooled);
    }
  _pyisolate_memory_book_close (host);
  _pyisolate_memory_book_unref (host);
  pyisolate_memory_unref (memory);
  pyisolate_memory_unref (large);
  pyisolate_memory_unref (pooled);

  return 0;
}
