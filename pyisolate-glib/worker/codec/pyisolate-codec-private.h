/* SPDX-License-Identifier: MIT */
/* Python values as GVariant-serialised bytes and back, see docs/values.md.
 *
 * Every function needs the GIL. One that fails returns NULL, -1 or FALSE with a Python exception
 * set: a TypeError for a value of a type that cannot travel, a ValueError for one that is too
 * large or too deep and for bytes that are not a value, whatever a registered encoder raises.
 */
#pragma once

#include "pyisolate-memory.h"
#include "pyisolate-python-private.h"

#include <glib.h>

G_BEGIN_DECLS

/* Called without the GIL where it may wait. */
typedef PyIsolateMemory *(*PyIsolateAllocateFunc) (gpointer               user_data,
                                                   gsize                  size,
                                                   PyIsolateMemoryFlags   flags,
                                                   GError               **error);

/* What goes beside the bytes of a value, and where it comes from. */
typedef struct {
  GArray    *fds;         /* of int; nullable: descriptors are refused */
  GPtrArray **memories;   /* nullable: all is copied into the value; of PyIsolateMemory, made when
                           * there is something to put in */
  PyIsolateAllocateFunc allocate; /* nullable: the same, but for what is in shared memory already */
  gpointer   user_data;
  GError   **refusal;     /* nullable: why it gave none, which Python was told as a MemoryError */
  gboolean   may_wait;    /* allocate() may have to ask another process */
  gboolean   readonly;    /* the receiver must not write to what it gets */
  gboolean   move_storages; /* torch's, into shared memory, where they are to be copied else */
} PyIsolateParcel;

/* What came beside them. */
typedef struct {
  const int              *fds;
  guint                   n_fds;
  PyIsolateMemory *const *memories;
  guint                   n_memories;
  gboolean                trusts_fds; /* they may be the memory of tensors: nobody but the host sent them */
} PyIsolateContents;

/* Where empty(), zeros() and share() take memory from; NULL: pyisolate_memory_new(). */
void      _pyisolate_codec_set_allocator (PyIsolateAllocateFunc func,
                                          gpointer              user_data);

/* Adds FileDescriptor, Tensor, register_type and others to @module. */
gboolean  _pyisolate_codec_init         (PyObject      *module);

/* @parcel: gets a duplicate of each descriptor in the value, for the caller to close, and each
 * piece of shared memory; left as it was on failure. NULL: nothing can go beside. @what names the value in
 * messages ("result"). The bytes have the type "v", resp. "(ava{sv})". */
GBytes   *_pyisolate_codec_encode_value (PyObject      *value,
                                         const char    *what,
                                         PyIsolateParcel *parcel);
GBytes   *_pyisolate_codec_encode_call  (PyObject      *args,
                                         PyObject      *kwargs,
                                         PyIsolateParcel *parcel);

/* The bytes may lie anywhere and hold anything. @contents: nullable; borrowed, what the value names
 * is duplicated. @args becomes a tuple, @kwargs a dict with str keys (never NULL). */
PyObject *_pyisolate_codec_decode_value (const guint8  *data,
                                         gsize          size,
                                         const PyIsolateContents *contents);
int       _pyisolate_codec_decode_call  (const guint8  *data,
                                         gsize          size,
                                         const PyIsolateContents *contents,
                                         PyObject     **args,
                                         PyObject     **kwargs);

/* An empty array for the descriptors of a frame, which hardly any has. Who encodes one may encode another meanwhile. */
GArray *_pyisolate_codec_take_fds      (void);
/* Those in it are somebody else's by now. */
void    _pyisolate_codec_give_fds_back (GArray *array);

G_END_DECLS
