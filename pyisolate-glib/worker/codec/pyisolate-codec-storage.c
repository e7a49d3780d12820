/* SPDX-License-Identifier: MIT */
/* Moving torch's storages into shared memory, where a host shares its torch with an extension.
 *
 * torch can do that by itself, for its own multiprocessing, but only into a file that the receiver
 * could shrink under us. So torch is asked to move the storage, which all of its tensors follow,
 * and then the mapping that torch made is replaced, at its place, by one of sealed memory with the
 * same content. torch unmaps it when the storage goes, as it would its own.
 *
 * What was there before is freed by that, also under those who look into it without a tensor: arrays of NumPy's, whoever took
 * it by DLPack. So a storage that such may look into is left where it is, and its tensors are copied.
 *
 * The table of such storages is guarded by the GIL.
 */
#include "config.h"

#include "pyisolate-codec-array.h"

#include <errno.h>
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

/* Of @storage; what torch is asked for. 0: it cannot be told. */
static gsize
get_size (PyObject *storage)
{
  PyObject *n_bytes = _pyisolate_codec_call (storage, "nbytes", NULL);
  Py_ssize_t size = n_bytes != NULL ? PyLong_AsSsize_t (n_bytes) : 0;

  Py_XDECREF (n_bytes);
  return MAX (size, 0);
}

static guint8 *
get_start (PyObject *storage)
{
  PyObject *address = _pyisolate_codec_call (storage, "data_ptr", NULL);
  guint8 *start = address != NULL ? PyLong_AsVoidPtr (address) : NULL;

  Py_XDECREF (address);
  return start;
}

/* Whether all of @data lies in the storage of @tensor, which can be resized, and emptied, under its tensors. FALSE: not, or an
 * exception. */
gboolean
_pyisolate_storage_covers (PyObject     *tensor,
                           const guint8 *data,
                           gsize         size)
{
  PyObject *storage = _pyisolate_codec_call (tensor, "untyped_storage", NULL);
  const guint8 *start = storage != NULL ? get_start (storage) : NULL;
  gsize room = start != NULL ? get_size (storage) : 0;

  if (storage == NULL && PyErr_ExceptionMatches (PyExc_AttributeError)) /* before torch 2.0 it cannot be asked */
    {
      PyErr_Clear ();
      return data != NULL;
    }
  Py_XDECREF (storage);
  return start != NULL && data >= start && (gsize) (data - start) <= room && size <= room - (data - start);
}

/* Once torch has moved it, a storage counts as shared with others, and is not moved again: the memory is made before. After
 * that the GIL is held: no other thread of Python's writes to the storage meanwhile. */
static PyIsolateMemory *
move (PyObject *storage)
{
  gsize size = get_size (storage);
  g_autoptr(PyIsolateMemory) memory = NULL;
  guint8 *data = NULL, *start;
  PyObject *handle = NULL;
  Py_ssize_t torch_size;
  gboolean is_shared;
  int torch_fd;

  if (size > 0)
    memory = pyisolate_memory_new (size, PYISOLATE_MEMORY_NONE, NULL);
  if (memory != NULL)
    data = pyisolate_memory_map (memory, NULL);
  if (data != NULL)
    handle = _pyisolate_codec_call (storage, "_share_fd_cpu_", NULL);
  is_shared = handle != NULL && PyArg_ParseTuple (handle, "in", &torch_fd, &torch_size) && (gsize) torch_size == size;
  Py_XDECREF (handle);
  start = is_shared ? get_start (storage) : NULL;
  if (start == NULL || (guintptr) start % sysconf (_SC_PAGE_SIZE) != 0)
    return NULL;
  memcpy (data, start, size);
  if (!replace_mapping (start, size, torch_fd, memory)
      || !remember (storage, start, size, memory))
    return NULL;
  return g_steal_pointer (&memory);
}

/* --- Who looks into a storage --- */

/* As torch counts its tensors and who holds them, and Python the objects that hold the storage. */
typedef struct {
  long       n_users;
  long       n_holders; /* of the one tensor */
  Py_ssize_t n_refs;
} Users;

static long
count_holders (PyObject *tensor)
{
  PyObject *count = _pyisolate_codec_call (tensor, "_use_count", NULL);
  long n_holders = count != NULL ? PyLong_AsLong (count) : -1;

  Py_XDECREF (count);
  return n_holders;
}

static gboolean
count_users (PyObject *torch,
             PyObject *tensor,
             PyObject *storage,
             Users    *users)
{
  PyObject *internals = _pyisolate_codec_get (torch, "_C");
  PyObject *address = internals != NULL ? _pyisolate_codec_get (storage, "_cdata") : NULL;
  PyObject *count = NULL;

  if (address != NULL)
    count = _pyisolate_codec_call (internals, "_storage_Use_Count", address);
  users->n_users = count != NULL ? PyLong_AsLong (count) : -1;
  users->n_holders = users->n_users > 0 ? count_holders (tensor) : -1;
  users->n_refs = Py_REFCNT (storage);
  Py_XDECREF (internals);
  Py_XDECREF (address);
  Py_XDECREF (count);
  return users->n_holders > 0;
}

/* How many there are where there is but one tensor, which differs between torch's versions. */
static const Users *
get_fewest_users (PyObject *torch)
{
  static Users fewest; /* guarded by the GIL */
  PyObject *one = fewest.n_users == 0 ? PyLong_FromLong (1) : NULL;
  PyObject *tensor = one != NULL ? _pyisolate_codec_call (torch, "empty", one) : NULL;
  PyObject *storage = tensor != NULL ? _pyisolate_codec_call (tensor, "untyped_storage", NULL) : NULL;
  Users users;

  if (storage != NULL && count_users (torch, tensor, storage, &users))
    fewest = users;
  Py_XDECREF (one);
  Py_XDECREF (tensor);
  Py_XDECREF (storage);
  return fewest.n_users > 0 ? &fewest : NULL;
}

static gboolean
is_alone (const Users *users,
          const Users *fewest)
{
  return users->n_users == fewest->n_users && users->n_refs == fewest->n_refs;
}

/* Whether @tensor is a view of one that others hold than the views of it. */
static gboolean
has_held_base (PyObject    *tensor,
               const Users *users,
               const Users *fewest)
{
  PyObject *base = _pyisolate_codec_get (tensor, "_base");
  long n_holders = base != NULL && base != Py_None ? count_holders (base) : 0;

  Py_XDECREF (base);
  return base == NULL || n_holders < 0 || n_holders > fewest->n_holders + users->n_users - fewest->n_users;
}

static gboolean
is_so (PyObject   *storage,
       const char *question,
       PyObject   *answer)
{
  PyObject *given = _pyisolate_codec_call (storage, question, NULL);

  Py_XDECREF (given);
  return given == answer;
}

/* Of a storage whose memory somebody else gave, or was shown, as NumPy is, torch says that it cannot be resized. Who took a
 * tensor by DLPack holds it, as autograd does, which cannot be told apart. One that torch shares already is also in the mappings
 * of other processes, and stays there. */
static gboolean
may_move (PyObject    *tensor,
          PyObject    *storage,
          const Users *users,
          const Users *fewest)
{
  return is_so (storage, "is_shared", Py_False) && is_so (storage, "resizable", Py_True)
         && users->n_holders == fewest->n_holders && !has_held_base (tensor, users, fewest);
}

/* --- A storage of one tensor alone --- */

/* Through the descriptor: torch's mapping is the one that is used afterwards, and another one would have to be filled with
 * pages for this alone. */
static gboolean
write_all (PyIsolateMemory *memory,
           const guint8    *data,
           gsize            size)
{
  int fd = pyisolate_memory_dup_fd (memory, NULL);
  gsize written = 0;

  while (fd >= 0 && written < size)
    {
      ssize_t n = pwrite (fd, data + written, size - written, (off_t) written);

      if (n <= 0 && !(n < 0 && errno == EINTR))
        break;
      written += n > 0 ? n : 0;
    }
  if (fd >= 0)
    close (fd);
  return written == size;
}

/* A piece with the content of @storage. */
static PyIsolateMemory *
copy_storage (PyObject *storage)
{
  const guint8 *start = get_start (storage);
  gsize size = start != NULL ? get_size (storage) : 0;
  PyIsolateMemory *memory = size > 0 ? pyisolate_memory_new (size, PYISOLATE_MEMORY_NONE, NULL) : NULL;

  if (memory != NULL && !write_all (memory, start, size))
    g_clear_pointer (&memory, pyisolate_memory_unref);
  return memory;
}

/* torch's storage of that memory. */
static PyObject *
new_storage (PyObject        *torch,
             PyIsolateMemory *memory)
{
  PyObject *type = _pyisolate_codec_get (torch, "UntypedStorage");
  PyObject *make = type != NULL ? _pyisolate_codec_get (type, "_new_shared_fd_cpu") : NULL;
  int fd = make != NULL ? pyisolate_memory_dup_fd (memory, NULL) : -1;
  PyObject *storage = NULL;

  if (fd >= 0)
    {
      storage = PyObject_CallFunction (make, "in", fd,
                                       (Py_ssize_t) pyisolate_memory_get_size (memory));
      close (fd);
    }
  Py_XDECREF (type);
  Py_XDECREF (make);
  return storage;
}

/* Not by set_(), which would count as a change that autograd minds. */
static gboolean
give_storage (PyObject *tensor,
              PyObject *storage)
{
  PyObject *zero = PyLong_FromLong (0);
  PyObject *other = zero != NULL ? _pyisolate_codec_call (tensor, "new_empty", zero) : NULL;
  PyObject *set = other != NULL ? _pyisolate_codec_get (other, "set_") : NULL;
  PyObject *offset = set != NULL ? _pyisolate_codec_call (tensor, "storage_offset", NULL) : NULL;
  PyObject *shape = offset != NULL ? _pyisolate_codec_call (tensor, "size", NULL) : NULL;
  PyObject *strides = shape != NULL ? _pyisolate_codec_call (tensor, "stride", NULL) : NULL;
  PyObject *result = NULL;
  gboolean given;

  if (strides != NULL)
    result = PyObject_CallFunctionObjArgs (set, storage, offset, shape, strides, NULL);
  given = result != NULL && PyObject_SetAttrString (tensor, "data", other) == 0;
  Py_XDECREF (zero);
  Py_XDECREF (other);
  Py_XDECREF (set);
  Py_XDECREF (offset);
  Py_XDECREF (shape);
  Py_XDECREF (strides);
  Py_XDECREF (result);
  return given;
}

/* NULL, perhaps with an exception: it is left as it was. The GIL is held all the while. */
static PyIsolateMemory *
replace_storage (PyObject *torch,
                 PyObject *tensor,
                 PyObject *storage)
{
  g_autoptr(PyIsolateMemory) memory = copy_storage (storage);
  PyObject *fresh = memory != NULL ? new_storage (torch, memory) : NULL;
  guint8 *start = fresh != NULL ? get_start (fresh) : NULL;
  gboolean done = start != NULL && remember (fresh, start, pyisolate_memory_get_size (memory), memory)
                  && give_storage (tensor, fresh);

  Py_XDECREF (fresh);
  return done ? g_steal_pointer (&memory) : NULL;
}

/* Moves the storage of @tensor, with all other tensors that are views of it. NULL, without an
 * exception: it cannot be moved, and stays private. */
PyIsolateMemory *
_pyisolate_storage_move (PyObject *tensor)
{
  PyObject *torch = PyImport_ImportModule ("torch");
  const Users *fewest = torch != NULL ? get_fewest_users (torch) : NULL;
  PyObject *storage = fewest != NULL ? _pyisolate_codec_call (tensor, "untyped_storage", NULL) : NULL;
  PyIsolateMemory *memory = NULL;
  Users users;

  if (storage != NULL && count_users (torch, tensor, storage, &users) && may_move (tensor, storage, &users, fewest))
    {
      if (is_alone (&users, fewest))
        memory = replace_storage (torch, tensor, storage);
      PyErr_Clear ();
      if (memory == NULL)
        memory = move (storage);
    }
  Py_XDECREF (torch);
  Py_XDECREF (storage);
  PyErr_Clear ();
  return memory;
}
