/* SPDX-License-Identifier: MIT */
/* Moving torch's storages into shared memory, where a host shares its torch with an extension.
 *
 * torch can do that by itself, for its own multiprocessing, but only into a file that the receiver
 * could shrink under us. So torch is asked to move the storage, which all of its tensors follow,
 * and then the mapping that torch made is replaced, at its place, by one of sealed memory with the
 * same content. torch unmaps it when the storage goes, as it would its own.
 *
 * The table of such storages is guarded by the GIL.
 */
#include "config.h"

#include "pyisolate-codec-array.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
  const guint8    *start;
  gsize            size;
  PyIsolateMemory *memory;
  PyObject        *weak; /* tells when the storage goes */
} Moved;

static GTree *table; /* start → Moved */

static int
compare_addresses (gconstpointer a,
                   gconstpointer b)
{
  return (guintptr) a < (guintptr) b ? -1 : (guintptr) a > (guintptr) b;
}

static void
moved_free (gpointer data)
{
  Moved *self = data;

  pyisolate_memory_unref (self->memory);
  Py_DECREF (self->weak);
  g_free (self);
}

/* New reference to the memory of the storage that the bytes lie in, or NULL. */
PyIsolateMemory *
_pyisolate_storage_find (const guint8  *address,
                         gsize          size,
                         const guint8 **start)
{
  GTreeNode *node;
  const Moved *moved;

  if (table == NULL || g_tree_nnodes (table) == 0)
    return NULL;
  node = g_tree_upper_bound (table, address);
  node = node != NULL ? g_tree_node_previous (node) : g_tree_node_last (table);
  if (node == NULL)
    return NULL;
  moved = g_tree_node_value (node);
  if ((gsize) (address - moved->start) > moved->size
      || size > moved->size - (address - moved->start))
    return NULL;
  *start = moved->start;
  return pyisolate_memory_ref (moved->memory);
}

/* The callback of the weak reference; @address is its self. */
static PyObject *
on_storage_gone (PyObject *address,
                 PyObject *weak)
{
  g_tree_remove (table, PyLong_AsVoidPtr (address));
  Py_RETURN_NONE;
}

static PyMethodDef on_storage_gone_definition = { "on_storage_gone", on_storage_gone, METH_O, NULL };

static gboolean
remember (PyObject        *storage,
          guint8          *start,
          gsize            size,
          PyIsolateMemory *memory)
{
  PyObject *address = PyLong_FromVoidPtr (start);
  PyObject *callback = address != NULL ? PyCFunction_New (&on_storage_gone_definition, address) : NULL;
  PyObject *weak = callback != NULL ? PyWeakref_NewRef (storage, callback) : NULL;
  Moved *moved;

  Py_XDECREF (address);
  Py_XDECREF (callback);
  if (weak == NULL)
    return FALSE;

  if (table == NULL)
    table = g_tree_new_full ((GCompareDataFunc) (void *) compare_addresses, NULL, NULL, moved_free);
  moved = g_new (Moved, 1);
  *moved = (Moved) { start, size, pyisolate_memory_ref (memory), weak };
  g_tree_insert (table, start, moved);
  return TRUE;
}

/* Puts @memory where torch's mapping is, and its descriptor where torch's is: so that torch gives
 * away the same memory if it is asked to. */
static gboolean
replace_mapping (guint8          *start,
                 gsize            size,
                 int              torch_fd,
                 PyIsolateMemory *memory)
{
  int fd = pyisolate_memory_dup_fd (memory, NULL);
  gboolean done;

  if (fd < 0)
    return FALSE;
  done = mmap (start, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == start
         && dup3 (fd, torch_fd, O_CLOEXEC) == torch_fd;
  close (fd);
  return done;
}

/* The GIL is held all the while: no other thread of Python's writes to the storage meanwhile. */
static PyIsolateMemory *
move (PyObject *storage,
      int       torch_fd,
      gsize     size)
{
  PyObject *address = _pyisolate_codec_call (storage, "data_ptr", NULL);
  guint8 *start = address != NULL ? PyLong_AsVoidPtr (address) : NULL;
  g_autoptr(PyIsolateMemory) memory = NULL;
  guint8 *data;

  Py_XDECREF (address);
  if (start == NULL || size == 0 || (guintptr) start % sysconf (_SC_PAGE_SIZE) != 0)
    return NULL;
  memory = pyisolate_memory_new (size, PYISOLATE_MEMORY_NONE, NULL);
  data = memory != NULL ? pyisolate_memory_map (memory, NULL) : NULL;
  if (data == NULL)
    return NULL;
  memcpy (data, start, size);
  if (!replace_mapping (start, size, torch_fd, memory)
      || !remember (storage, start, size, memory))
    return NULL;
  return g_steal_pointer (&memory);
}

/* Moves the storage of @tensor, with all other tensors that are views of it. NULL, without an
 * exception: it cannot be moved, and stays private. */
PyIsolateMemory *
_pyisolate_storage_move (PyObject *tensor)
{
  PyObject *storage = _pyisolate_codec_call (tensor, "untyped_storage", NULL);
  PyObject *handle = storage != NULL ? _pyisolate_codec_call (storage, "_share_fd_cpu_", NULL) : NULL;
  PyIsolateMemory *memory = NULL;
  int fd;
  Py_ssize_t size;

  if (handle != NULL && PyArg_ParseTuple (handle, "in", &fd, &size))
    memory = move (storage, fd, size);
  Py_XDECREF (handle);
  Py_XDECREF (storage);
  PyErr_Clear ();
  return memory;
}
