/* SPDX-License-Identifier: MIT */
/* The arguments of a call in the form in which they travel: `(ava{sv})`, written straight into the bytes of it. */
#include "config.h"

#include "pyisolate-call-private.h"

#include "pyisolate-value-private.h"

#include <string.h>

#define ALIGN(size) (((size) + 7) & ~(gsize) 7)

/* Most calls have few arguments, and small ones. */
#define FEW_ARGS 16

/* A number, a boolean or a string travels as it is. */
static gboolean
is_basic (GVariant *value)
{
  const char *type = g_variant_get_type_string (value);

  return type[1] == '\0' && strchr ("bynqiuxtds", type[0]) != NULL;
}

/* The arguments in their forms. */
static gboolean
wire_args (GVariant  *args,
           GVariant **wires,
           gsize      n_args,
           GError   **error)
{
  for (gsize i = 0; i < n_args; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (args, i);

      if (is_basic (child) && g_variant_is_normal_form (child))
        wires[i] = g_steal_pointer (&child);
      else
        wires[i] = _pyisolate_value_to_wire (child, error);
      if (wires[i] == NULL)
        {
          g_prefix_error (error, "Argument %" G_GSIZE_FORMAT ": ", i + 1);
          while (i-- > 0)
            g_variant_unref (wires[i]);
          return FALSE;
        }
    }

  return TRUE;
}

static GVariant *
wire_kwargs (GVariant  *kwargs,
             GError   **error)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, kwargs);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) child = value;
      g_autoptr (GVariant) wire = _pyisolate_value_to_wire (child, error);

      if (wire == NULL)
        {
          g_prefix_error (error, "Argument “%s”: ", key);
          return NULL;
        }
      g_variant_builder_add (&builder, "{sv}", key, wire);
    }

  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* How many bytes an offset has in a container whose @n_offsets follow a content of this size. */
static gsize
get_offset_size (gsize content,
                 gsize n_offsets)
{
  if (content + n_offsets <= G_MAXUINT8)
    return 1;
  if (content + 2 * n_offsets <= G_MAXUINT16)
    return 2;
  if (content + 4 * n_offsets <= G_MAXUINT32)
    return 4;
  return 8;
}

static void
put_offset (guint8 *at,
            gsize   offset,
            gsize   size)
{
  guint64 number = offset;

#if G_BYTE_ORDER == G_BIG_ENDIAN
  memcpy (at, (guint8 *) &number + sizeof number - size, size);
#else
  memcpy (at, &number, size);
#endif
}

static gsize
get_boxed_size (GVariant *wire)
{
  return g_variant_get_size (wire) + 1 + strlen (g_variant_get_type_string (wire));
}

/* As a variant. Returns its size. */
static gsize
put_boxed (guint8   *at,
           GVariant *wire)
{
  const char *type = g_variant_get_type_string (wire);
  gsize size = g_variant_get_size (wire);
  gsize type_size = strlen (type);

  g_variant_store (wire, at);
  at[size] = 0;
  memcpy (at + size + 1, type, type_size);

  return size + 1 + type_size;
}

static GBytes *
write_body (GVariant **wires,
            gsize      n_args,
            GVariant  *kwargs)
{
  gsize kwargs_size = kwargs != NULL ? g_variant_get_size (kwargs) : 0;
  gsize content = 0;
  gsize array_size, offset_size, body_size, body_offset_size;
  gsize at = 0;
  guint8 *data;

  for (gsize i = 0; i < n_args; i++)
    content = ALIGN (content) + get_boxed_size (wires[i]);
  offset_size = get_offset_size (content, n_args);
  array_size = content + n_args * offset_size;
  body_size = ALIGN (array_size) + kwargs_size;
  body_offset_size = get_offset_size (body_size, 1);

  data = g_malloc0 (body_size + body_offset_size);
  for (gsize i = 0; i < n_args; i++)
    {
      at = ALIGN (at);
      at += put_boxed (data + at, wires[i]);
      put_offset (data + content + i * offset_size, at, offset_size);
    }
  if (kwargs_size > 0)
    g_variant_store (kwargs, data + ALIGN (array_size));
  put_offset (data + body_size, array_size, body_offset_size);

  return g_bytes_new_take (data, body_size + body_offset_size);
}

GBytes *
_pyisolate_call_body_new (GVariant  *args,
                          GVariant  *kwargs,
                          GError   **error)
{
  gsize n_args = args != NULL ? g_variant_n_children (args) : 0;
  GVariant *few[FEW_ARGS];
  g_autofree GVariant **many = n_args > FEW_ARGS ? g_new (GVariant *, n_args) : NULL;
  GVariant **wires = many != NULL ? many : few;
  g_autoptr (GVariant) wired_kwargs = NULL;
  GBytes *body = NULL;

  if (!wire_args (args, wires, n_args, error))
    return NULL;

  if (kwargs != NULL)
    wired_kwargs = wire_kwargs (kwargs, error);
  if (kwargs == NULL || wired_kwargs != NULL)
    body = write_body (wires, n_args, wired_kwargs);
  for (gsize i = 0; i < n_args; i++)
    g_variant_unref (wires[i]);

  return body;
}
