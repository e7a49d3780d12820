/* SPDX-License-Identifier: MIT */
/* What a lane's messages look like, see the header; and what is wrong with those that look otherwise. */
#include "config.h"

#include "pyisolate-lane-wire-private.h"

#include <string.h>

static guint32
string_size (const char *string)
{
  return string != NULL ? strlen (string) + 1 : 0;
}

void
_pyisolate_lane_header_init (PyIsolateLaneHeader      *header,
                             const PyIsolateFrameView *view)
{
  *header = (PyIsolateLaneHeader) {
    .kind = view->kind,
    .n_fds = view->n_fds,
    .n_chain = view->n_chain,
    .n_records = view->n_records,
    .id = view->id,
    .body_size = view->body_size,
    .target_size = string_size (view->target),
    .name_size = string_size (view->name),
    .message_size = string_size (view->message),
  };
}

gsize
_pyisolate_lane_payload_size (const PyIsolateLaneHeader *header)
{
  return header->n_chain * sizeof (guint64) + header->n_records * sizeof (PyIsolateMemoryRecord) + header->body_size + header->target_size + header->name_size +
         header->message_size;
}

gsize
_pyisolate_lane_get_payload (const PyIsolateLaneHeader *header,
                             const PyIsolateFrameView  *view,
                             struct iovec               pieces[PYISOLATE_LANE_N_PIECES])
{
  pieces[0] = (struct iovec) { (gpointer) view->chain, header->n_chain * sizeof (guint64) };
  pieces[1] = (struct iovec) { (gpointer) view->records, header->n_records * sizeof (PyIsolateMemoryRecord) };
  pieces[2] = (struct iovec) { (gpointer) view->body, header->body_size };
  pieces[3] = (struct iovec) { (gpointer) view->target, header->target_size };
  pieces[4] = (struct iovec) { (gpointer) view->name, header->name_size };
  pieces[5] = (struct iovec) { (gpointer) view->message, header->message_size };

  return _pyisolate_lane_payload_size (header);
}

/* What a frame of this kind has beside its id. */
typedef struct {
  gboolean call; /* chain, target */
  gboolean name;
  gboolean message;
  gboolean body;
  gboolean fds; /* records too */
} Shape;

static const Shape shapes[] = {
  [PYISOLATE_FRAME_CALL] = { .call = TRUE, .name = TRUE, .body = TRUE, .fds = TRUE },
  [PYISOLATE_FRAME_RETURN] = { .body = TRUE, .fds = TRUE },
  [PYISOLATE_FRAME_ERROR] = { .name = TRUE, .message = TRUE, .body = TRUE },
  [PYISOLATE_FRAME_CANCEL] = { .body = FALSE },
  [PYISOLATE_FRAME_PROGRESS] = { .body = TRUE },
  [PYISOLATE_FRAME_EVENT] = { .name = TRUE, .body = TRUE },
  [PYISOLATE_FRAME_LOG] = { .body = TRUE },
  [PYISOLATE_FRAME_MEMORY] = { .fds = TRUE },
  [PYISOLATE_LANE_CREDIT] = { .body = FALSE },
};

static const char *
check_first (const PyIsolateLaneHeader *header)
{
  const Shape *shape = &shapes[header->kind];
  gsize size;

  if (header->kind == PYISOLATE_LANE_CREDIT && header->credit == 0)
    return "a credit of nothing";
  if ((header->target_size != 0) != shape->call || (header->name_size != 0) != shape->name ||
      (header->message_size != 0) != shape->message)
    return "a frame does not have the texts of its kind";
  if ((header->n_chain != 0 && !shape->call) || (header->body_size != 0 && !shape->body) ||
      ((header->n_fds != 0 || header->n_records != 0) && !shape->fds))
    return "a frame has what its kind does not have";
  if (header->n_chain > PYISOLATE_MAX_CHAIN)
    return "a chain is too long";
  if (header->n_records > PYISOLATE_MAX_RECORDS)
    return "a frame has too many records";
  if (header->body_size > PYISOLATE_LANE_MAX_BODY || header->target_size > PYISOLATE_LANE_MAX_BODY ||
      header->name_size > PYISOLATE_LANE_MAX_BODY || header->message_size > PYISOLATE_LANE_MAX_BODY)
    return "a frame is too large";

  size = _pyisolate_lane_payload_size (header);
  if ((header->flags & PYISOLATE_LANE_MORE) != 0 ? header->part_size >= size : header->part_size != size)
    return "the lengths of a frame do not add up";

  return NULL;
}

static const char *
check_continued (const PyIsolateLaneHeader *header)
{
  if (header->n_fds != 0 || header->n_chain != 0 || header->n_records != 0 || header->body_size != 0 || header->credit != 0 ||
      header->target_size != 0 || header->name_size != 0 || header->message_size != 0)
    return "a part of a frame has a head of its own";

  return NULL;
}

const char *
_pyisolate_lane_check_header (const guint8        *data,
                              gsize                size,
                              PyIsolateLaneHeader *header)
{
  gsize whole;

  if (size < sizeof *header)
    return "a frame without a head";

  memcpy (header, data, sizeof *header);
  if (header->kind == 0 || header->kind >= G_N_ELEMENTS (shapes))
    return "there is no such kind of frame";
  if ((header->flags & ~(PYISOLATE_LANE_MORE | PYISOLATE_LANE_CONTINUED)) != 0)
    return "a frame has unknown flags";

  whole = sizeof *header + (gsize) header->part_size;
  whole += PYISOLATE_LANE_PADDING (whole);
  if (whole > size || ((header->flags & PYISOLATE_LANE_MORE) != 0 && (whole != size || header->part_size == 0)))
    return "the lengths of a frame do not add up";

  return (header->flags & PYISOLATE_LANE_CONTINUED) != 0 ? check_continued (header) : check_first (header);
}

static gboolean
take_string (const guint8 **at,
             guint32        size,
             const char   **string)
{
  *string = size != 0 ? (const char *) *at : NULL;
  *at += size;

  return size == 0 || ((*string)[size - 1] == '\0' && g_utf8_validate_len (*string, size - 1, NULL));
}

const char *
_pyisolate_lane_check_payload (const PyIsolateLaneHeader *header,
                               const guint8              *payload,
                               PyIsolateFrameView        *view)
{
  const guint8 *at = payload + header->n_chain * sizeof (guint64);

  view->kind = (PyIsolateFrameKind) header->kind;
  view->id = header->id;
  view->chain = (const guint64 *) (gconstpointer) payload;
  view->n_chain = header->n_chain;
  view->records = (const PyIsolateMemoryRecord *) (gconstpointer) at;
  view->n_records = header->n_records;
  at += header->n_records * sizeof (PyIsolateMemoryRecord);
  view->body = at;
  view->body_size = header->body_size;
  view->fds = NULL;
  view->n_fds = 0;

  at += header->body_size;
  /* Validation ends at a NUL: there is none but the last one. */
  if (!take_string (&at, header->target_size, &view->target) || !take_string (&at, header->name_size, &view->name) ||
      !take_string (&at, header->message_size, &view->message))
    return "a text of a frame is not UTF-8";

  return NULL;
}
