/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-memory.h"

G_BEGIN_DECLS

/* What travels between a host and a worker, whatever carries it: a header, bytes, file descriptors. No GDBus and no
 * Python type appears here. */

typedef enum {
  PYISOLATE_FRAME_CALL = 1, /* id, chain, target, name: the method, body: "(ava{sv})", fds */
  PYISOLATE_FRAME_RETURN,   /* id, body: "v", fds */
  PYISOLATE_FRAME_ERROR,    /* id, name: a D-Bus error name, message, body: "a{sv}" of details */
  PYISOLATE_FRAME_CANCEL,   /* id */
  PYISOLATE_FRAME_PROGRESS, /* id, body: "(ds)" */
  PYISOLATE_FRAME_EVENT,    /* id (0: outside of any call), name, body: "v" */
  PYISOLATE_FRAME_LOG,      /* body: "(iss)": level, logger, message */
  PYISOLATE_FRAME_MEMORY,   /* nothing but records */
} PyIsolateFrameKind;

/* What a CALL, a RETURN and a MEMORY tell about shared memory. A transport carries it as it is. */
typedef enum {
  PYISOLATE_MEMORY_USE = 1, /* number: of a piece that the body names, in order; argument: its size */
  PYISOLATE_MEMORY_GRANT,   /* host → worker: number of a piece for the worker to use; argument: its size */
  PYISOLATE_MEMORY_KNOWN,   /* worker → host: number; it needs no descriptor for it any more */
  PYISOLATE_MEMORY_RELEASE, /* worker → host: number; argument: so many references to it are given back */
  PYISOLATE_MEMORY_ACK,     /* host → worker: number; argument: so many references to it have arrived */
  PYISOLATE_MEMORY_FORGET,  /* host → worker: number, which will not be used again */
  PYISOLATE_MEMORY_REQUEST, /* worker → host: number of the request; argument: the size that is wanted */
  PYISOLATE_MEMORY_BODY,    /* argument: so many bytes of the last piece that is used are the body of the frame */
  PYISOLATE_MEMORY_ANSWER,  /* host → worker: number of the request; argument: of the piece granted before, or 0: refused */
  PYISOLATE_MEMORY_SHOW,    /* host → worker: number of a piece that the next frame uses; argument: its size */
} PyIsolateMemoryRecordKind;

enum {
  PYISOLATE_MEMORY_RECORD_FD = 1 << 0,        /* one of the last descriptors of the frame is the piece's, in order */
  PYISOLATE_MEMORY_RECORD_READ_ONLY = 1 << 1, /* the piece is, or is to be */
  PYISOLATE_MEMORY_RECORD_NO_FDS = 1 << 2,    /* of an ANSWER that refuses: the host has no descriptors left */
  PYISOLATE_MEMORY_RECORD_NO_MEMORY = 1 << 3, /* the same: its system gives it no memory. Neither: its limit is reached */
};

typedef struct {
  guint32 kind;
  guint32 flags;
  guint64 number;
  guint64 argument;
} PyIsolateMemoryRecord;

#define PYISOLATE_MAX_RECORDS 1024

/* The target of a CALL is the name of a singleton towards the host and empty towards an extension; these two are the
 * library's own. */
#define PYISOLATE_TARGET_HOST   "org.pyisolate.Host"   /* Hello, Ready, LoadFailed */
#define PYISOLATE_TARGET_WORKER "org.pyisolate.Worker" /* Ping, Stop */

#define PYISOLATE_BODY_CALL     "(ava{sv})"
#define PYISOLATE_BODY_VALUE    "v"
#define PYISOLATE_BODY_DETAILS  "a{sv}"
#define PYISOLATE_BODY_PROGRESS "(ds)"
#define PYISOLATE_BODY_LOG      "(iss)"

/* A call's id is unique among all links of a host: the number of the worker's link is in the upper half of the ids that
 * the worker gives; the host's own upper half is 0. The chain lists the ids of the calls that led to a call, outermost
 * first. */
#define PYISOLATE_CALL_ID_LINK(id) ((guint32) ((id) >> 32))
#define PYISOLATE_MAX_CHAIN 256

/* A frame has room of its own for so much. */
#define PYISOLATE_FRAME_SHORT_CHAIN 2
#define PYISOLATE_FRAME_SHORT_TEXT 48
#define PYISOLATE_FRAME_SHORT_RECORDS 4 /* a power of 2 */

/* The kernel takes no more with one message (SCM_MAX_FD). */
#define PYISOLATE_MAX_FDS 253

/* Bytes of the texts of a frame that is sent; with the largest body it is a message of D-Bus's then. */
#define PYISOLATE_FRAME_MAX_TEXT ((gsize) 16 << 20)

/* How many bytes of one link's frames this side holds: from their arrival until whoever they are for has done with them. */
typedef struct {
  gatomicrefcount ref_count;
  gsize bytes; /* atomic */
} PyIsolateBudget;

PyIsolateBudget *_pyisolate_budget_new   (void);
PyIsolateBudget *_pyisolate_budget_ref   (PyIsolateBudget *self);
void             _pyisolate_budget_unref (PyIsolateBudget *self);

typedef struct {
  PyIsolateFrameKind kind;
  guint64 id;
  guint64 *chain; /* owned, as the next three; or in the room below */
  guint n_chain;
  char *target;
  char *name;
  char *message;
  GBytes *body; /* GVariant in serialised form, in the byte order of the machine; NULL only in a CANCEL or when it is sent */
  int *fds;     /* owned, each of them open and CLOEXEC */
  guint n_fds;
  gboolean lacks_fds; /* there was no room in this process for those that came with it: it has none, and a memory_error */
  GPtrArray *memories; /* of PyIsolateMemory: what the body names by index, or NULL */
  gboolean has_memory_ready; /* who sends it has seen to memory for its body, and must not wait for any now */
  PyIsolateMemoryRecord *records; /* on the way only; owned, or in the room below */
  guint n_records;
  GError *memory_error; /* why the memory of a frame that arrived cannot be used: whoever wants the body gets that */
  PyIsolateBudget *budget; /* what it is counted in, or NULL */
  gsize cost;

  /* Of one that arrived and is large: whom to tell that it was taken, see _pyisolate_frame_taken(). */
  void (*taken_func) (GObject *sender,
                      gsize    size);
  GObject *sender; /* owned */
  gsize taken_size;

  GList link; /* of the queue that it is in */

  /* What most frames need no memory of their own for. The last: only what is used of it is written. */
  guint n_text;
  guint64 chain_room[PYISOLATE_FRAME_SHORT_CHAIN];
  PyIsolateMemoryRecord record_room[PYISOLATE_FRAME_SHORT_RECORDS];
  char text_room[PYISOLATE_FRAME_SHORT_TEXT];
} PyIsolateFrame;

PyIsolateFrame *_pyisolate_frame_new        (PyIsolateFrameKind  kind,
                                             guint64             id);
PyIsolateFrame *_pyisolate_frame_new_error  (guint64             id,
                                             const GError       *error);
GError         *_pyisolate_frame_to_error   (PyIsolateFrame     *frame,
                                             GVariant           *details);
void            _pyisolate_frame_set_chain  (PyIsolateFrame     *frame,
                                             const guint64      *chain,
                                             guint               n_chain);
/* With a copy, or NULL. Nobody else frees them: they may be in the frame's own room, which is used once. */
void            _pyisolate_frame_set_target  (PyIsolateFrame    *frame,
                                             const char         *target);
void            _pyisolate_frame_set_name    (PyIsolateFrame    *frame,
                                             const char         *name);
void            _pyisolate_frame_take_fds   (PyIsolateFrame     *frame,
                                             int                *fds,
                                             guint               n_fds);
/* With a copy. */
void            _pyisolate_frame_set_records   (PyIsolateFrame              *frame,
                                                const PyIsolateMemoryRecord *records,
                                                guint                        n_records);
void            _pyisolate_frame_add_record    (PyIsolateFrame              *frame,
                                                const PyIsolateMemoryRecord *record);
void            _pyisolate_frame_clear_records (PyIsolateFrame              *frame);
/* Of one that arrived without those that it was sent with. */
void            _pyisolate_frame_set_lacks_fds (PyIsolateFrame  *frame);
void            _pyisolate_frame_take_memories (PyIsolateFrame  *frame,
                                             GPtrArray          *memories);
void            _pyisolate_frame_add_memory  (PyIsolateFrame    *frame,
                                             PyIsolateMemory    *memory /* transfer full */);
void            _pyisolate_frame_set_variant (PyIsolateFrame    *frame,
                                             GVariant           *body);
/* Of what is not in the frame's own room. */
gsize           _pyisolate_frame_get_text_size (PyIsolateFrame  *frame);
/* Counts the frame until it is freed, and returns how many bytes are counted now. */
gsize           _pyisolate_frame_charge     (PyIsolateFrame     *frame,
                                             PyIsolateBudget    *budget);
/* Whom it is for has begun with it: whoever sent it may send more of the kind. At the latest when it is freed. */
void            _pyisolate_frame_taken      (PyIsolateFrame     *frame);
void            _pyisolate_frame_free       (PyIsolateFrame     *frame);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateFrame, _pyisolate_frame_free)

G_END_DECLS
