/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "memory-books.h"

#include "pyisolate-memory-book-private.h"

Books *
books_new (void)
{
  Books *books = g_new0 (Books, 1);

  books->host = _pyisolate_memory_book_new_host (BOOKS_LIMIT);
  books->worker = _pyisolate_memory_book_new_worker ();

  return books;
}

void
books_free (Books *books)
{
  _pyisolate_memory_book_close (books->host);
  _pyisolate_memory_book_close (books->worker);
  _pyisolate_memory_book_unref (books->host);
  _pyisolate_memory_book_unref (books->worker);
  g_free (books);
}

PyIsolateFrame *
books_frame_from (PyIsolateMemoryBook *book,
                  PyIsolateMemory     *memory)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 1);
  g_autoptr (GError) error = NULL;

  if (memory != NULL)
    {
      _pyisolate_frame_take_memories (frame, g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref));
      g_ptr_array_add (frame->memories, pyisolate_memory_ref (memory));
    }
  g_assert_true (_pyisolate_memory_book_fill (book, frame, &error));
  g_assert_no_error (error);
  /* What the other side gets is not this side's references. */
  g_clear_pointer (&frame->memories, g_ptr_array_unref);

  return frame;
}

PyIsolateFrame *
books_arrive (PyIsolateMemoryBook *book,
              PyIsolateFrame      *frame)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (_pyisolate_memory_book_take (book, frame, &error));
  g_assert_no_error (error);

  return frame;
}

void
books_tell (PyIsolateMemoryBook *from,
            PyIsolateMemoryBook *to)
{
  g_autoptr (PyIsolateFrame) frame = books_arrive (to, books_frame_from (from, NULL));

  g_assert_null (frame->memory_error);
}

PyIsolateMemory *
books_pass (PyIsolateMemoryBook *from,
            PyIsolateMemoryBook *to,
            PyIsolateMemory     *memory)
{
  g_autoptr (PyIsolateFrame) frame = books_arrive (to, books_frame_from (from, memory));

  g_assert_no_error (frame->memory_error);
  g_assert_cmpuint (frame->memories->len, ==, 1);

  return pyisolate_memory_ref (g_ptr_array_index (frame->memories, 0));
}

guint8 *
books_map (PyIsolateMemory *memory)
{
  g_autoptr (GError) error = NULL;
  guint8 *data = pyisolate_memory_map (memory, &error);

  g_assert_no_error (error);
  g_assert_nonnull (data);

  return data;
}

PyIsolateMemory *
books_allocate (PyIsolateMemoryBook  *book,
                gsize                 size,
                PyIsolateMemoryFlags  flags)
{
  g_autoptr (GError) error = NULL;
  PyIsolateMemory *memory = _pyisolate_memory_book_allocate (book, size, flags, &error);

  g_assert_no_error (error);
  g_assert_nonnull (memory);
  g_assert_cmpuint (pyisolate_memory_get_size (memory), >=, size);

  return memory;
}

void
books_assert_level (PyIsolateMemoryBook *book,
                    guint64              n_passed,
                    guint64              n_in_flight)
{
  PyIsolateMemoryStatus status;

  _pyisolate_memory_book_get_status (book, &status);
  g_assert_cmpuint (status.n_passed, ==, n_passed);
  g_assert_cmpuint (status.n_in_flight, ==, n_in_flight);
}

guint64
books_get_free_size (PyIsolateMemoryBook *book)
{
  PyIsolateMemoryStatus status;

  _pyisolate_memory_book_get_status (book, &status);
  return status.free_size;
}
