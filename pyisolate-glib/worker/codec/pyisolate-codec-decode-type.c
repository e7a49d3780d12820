/* SPDX-License-Identifier: MIT */
/* The types of variants. They repeat, within a value and from one call to the next: what the last ones were parsed to is kept. */
#include "config.h"

#include "pyisolate-codec-reader.h"

#define N_TYPES_BITS 6

typedef struct {
  guint64           text; /* its characters, and zeros */
  PyIsolateDepth    depth; /* where it was: elsewhere it may be nested too deep */
  PyIsolateTypeNode nodes[DECODER_SHORT_TYPE];
} ParsedType;

/* Of the process, guarded by the GIL. */
static ParsedType types[1 << N_TYPES_BITS];

gboolean
_pyisolate_decoder_parse_type (const char        *type,
                               gsize              length,
                               PyIsolateDepth     depth,
                               PyIsolateTypeNode  nodes[DECODER_SHORT_TYPE])
{
  guint64 text = 0;
  ParsedType *parsed;

  for (gsize i = 0; i < length; i++)
    text = text << 8 | (guint8) type[i];
  parsed = &types[text * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15) >> (64 - N_TYPES_BITS)];
  if (parsed->text == text && memcmp (&parsed->depth, &depth, sizeof depth) == 0)
    {
      memcpy (nodes, parsed->nodes, sizeof parsed->nodes);
      return TRUE;
    }

  if (_pyisolate_type_parse (type, length, depth, nodes) == 0)
    return FALSE;
  parsed->text = text;
  parsed->depth = depth;
  memcpy (parsed->nodes, nodes, sizeof parsed->nodes);
  return TRUE;
}
