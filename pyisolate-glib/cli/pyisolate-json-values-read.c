/* SPDX-License-Identifier: MIT */
/* From JSON to values, in the forms in which they travel. */
#include "config.h"

#include "pyisolate-json-values.h"

#include "pyisolate-value-private.h"

#include <math.h>

static GVariant *
fail (GError    **error,
      const char *type,
      const char *what)
{
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE, "{\"$type\": \"%s\"}: %s", type,
               what);
  return NULL;
}

static GVariant *
new_tagged (const char *tag,
            GVariant   *payload)
{
  return g_variant_ref_sink (g_variant_new ("(ov)", tag, payload));
}

static GVariant *
read_list (JsonArray *array,
           GError   **error)
{
  g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  guint n_items = json_array_get_length (array);

  for (guint i = 0; i < n_items; i++)
    {
      g_autoptr(GVariant) item = NULL;

      item = _pyisolate_value_from_json (json_array_get_element (array, i), error);
      if (item == NULL)
        return NULL;
      g_variant_builder_add (&builder, "v", item);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static GVariant *
read_object (JsonObject *object,
             GError    **error)
{
  g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  JsonObjectIter iter;
  const char *key;
  JsonNode *member;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &key, &member))
    {
      g_autoptr(GVariant) value = _pyisolate_value_from_json (member, error);

      if (value == NULL)
        return NULL;
      g_variant_builder_add (&builder, "{sv}", key, value);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* --- By "$type"; @node is the member "value" --- */

typedef GVariant *(*Reader) (const char *type,
                             JsonObject *object,
                             JsonNode   *node,
                             GError    **error);

static const char *
get_text (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
           ? json_node_get_string (node) : NULL;
}

static const char *
get_text_member (JsonObject *object,
                 const char *name,
                 const char *otherwise)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL ? get_text (node) : otherwise;
}

static gboolean
get_boolean_member (JsonObject *object,
                    const char *name,
                    gboolean    otherwise)
{
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node)
      || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return otherwise;
  return json_node_get_boolean (node);
}

static GVariant *
read_int (const char *type,
          JsonObject *object,
          JsonNode   *node,
          GError    **error)
{
  const char *text = get_text (node);
  g_autofree char *digits = NULL;
  gint64 number;

  if (text == NULL)
    return fail (error, type, "the value is a string of digits");
  if (g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &number, NULL))
    return g_variant_ref_sink (g_variant_new_int64 (number));
  if (g_str_has_prefix (text, "0x") || g_str_has_prefix (text, "-0x"))
    digits = g_strdup (text);
  else
    digits = _pyisolate_json_integer_to_hex (text);
  if (digits == NULL)
    return fail (error, type, "the value is a string of at most 100000 decimal digits, or of "
                              "hexadecimal ones after 0x");
  return new_tagged (PYISOLATE_TAG_INT, g_variant_new_string (digits));
}

static GVariant *
read_float (const char *type,
            JsonObject *object,
            JsonNode   *node,
            GError    **error)
{
  const char *text = get_text (node);

  if (g_strcmp0 (text, "nan") == 0)
    return g_variant_ref_sink (g_variant_new_double (NAN));
  if (g_strcmp0 (text, "inf") == 0)
    return g_variant_ref_sink (g_variant_new_double (INFINITY));
  if (g_strcmp0 (text, "-inf") == 0)
    return g_variant_ref_sink (g_variant_new_double (-INFINITY));
  return fail (error, type, "the value is \"nan\", \"inf\" or \"-inf\"");
}

/* Floating "ay", or NULL. g_base64_decode() skips what is not base64. */
static GVariant *
decode_base64 (JsonNode *node)
{
  const char *text = get_text (node);
  g_autofree guchar *data = NULL;
  gsize size, length;

  if (text == NULL)
    return NULL;
  length = strlen (text);
  if (length % 4 != 0 || strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "+/=") != length
      || (strchr (text, '=') != NULL && strspn (strchr (text, '='), "=") > 2)
      || strcspn (text, "=") + (strchr (text, '=') != NULL ? strspn (strchr (text, '='), "=") : 0)
           != length)
    return NULL;
  data = g_base64_decode (text, &size);
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1);
}

static GVariant *
read_binary (const char *type,
             JsonObject *object,
             JsonNode   *node,
             GError    **error)
{
  GVariant *bytes = decode_base64 (node);
  g_autofree char *tag = g_strconcat (PYISOLATE_TAG_PREFIX, type, NULL);

  if (bytes == NULL)
    return fail (error, type, "the value is a string of base64");
  return g_str_equal (type, "bytes") ? g_variant_ref_sink (bytes) : new_tagged (tag, bytes);
}

static GVariant *
read_memoryview (const char *type,
                 JsonObject *object,
                 JsonNode   *node,
                 GError    **error)
{
  g_autoptr(GVariant) bytes = decode_base64 (node);
  g_autoptr(GVariant) shape = NULL;
  JsonNode *sizes = json_object_get_member (object, "shape");
  const char *format = get_text_member (object, "format", "B");
  gboolean readonly = get_boolean_member (object, "readonly", TRUE);
  gint64 length;

  if (bytes == NULL)
    return fail (error, type, "the value is a string of base64");
  g_variant_ref_sink (bytes);
  if (format == NULL || (sizes != NULL && !JSON_NODE_HOLDS_ARRAY (sizes)))
    return fail (error, type, "the format is a string, the shape a list of integers");
  length = g_variant_n_children (bytes);
  if (sizes != NULL)
    shape = read_list (json_node_get_array (sizes), error);
  else
    shape = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, &length, 1, 8));
  if (shape == NULL)
    return NULL;
  return new_tagged (PYISOLATE_TAG_MEMORYVIEW,
                     g_variant_new ("(bs@*@ay)", readonly, format, shape, bytes));
}

static GVariant *
read_items (const char *type,
            JsonObject *object,
            JsonNode   *node,
            GError    **error)
{
  g_autoptr(GVariant) list = NULL;
  g_autofree char *tag = g_strconcat (PYISOLATE_TAG_PREFIX, type, NULL);

  if (!JSON_NODE_HOLDS_ARRAY (node))
    return fail (error, type, "the value is a list");
  list = read_list (json_node_get_array (node), error);
  return list != NULL ? new_tagged (tag, list) : NULL;
}

static gboolean
read_pair (JsonNode        *node,
           GVariantBuilder *keys,
           GVariantBuilder *values,
           GError         **error)
{
  JsonArray *pair = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  g_autoptr(GVariant) key = NULL;
  g_autoptr(GVariant) value = NULL;

  if (pair == NULL || json_array_get_length (pair) != 2)
    return fail (error, "dict", "the value is a list of pairs of a key and a value") != NULL;
  key = _pyisolate_value_from_json (json_array_get_element (pair, 0), error);
  if (key == NULL)
    return FALSE;
  value = _pyisolate_value_from_json (json_array_get_element (pair, 1), error);
  if (value == NULL)
    return FALSE;
  g_variant_builder_add (keys, "v", key);
  g_variant_builder_add (values, "v", value);
  return TRUE;
}

static GVariant *
read_dict (const char *type,
           JsonObject *object,
           JsonNode   *node,
           GError    **error)
{
  g_auto(GVariantBuilder) keys = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  g_auto(GVariantBuilder) values = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  JsonArray *pairs;

  if (!JSON_NODE_HOLDS_ARRAY (node))
    return fail (error, type, "the value is a list of pairs of a key and a value");
  pairs = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (pairs); i++)
    {
      if (!read_pair (json_array_get_element (pairs, i), &keys, &values, error))
        return NULL;
    }
  return new_tagged (PYISOLATE_TAG_DICT, g_variant_new ("(avav)", &keys, &values));
}

static GVariant *
read_complex (const char *type,
              JsonObject *object,
              JsonNode   *node,
              GError    **error)
{
  g_autoptr(GVariant) list = NULL;
  g_autoptr(GVariant) pair = NULL;

  if (JSON_NODE_HOLDS_ARRAY (node))
    list = read_list (json_node_get_array (node), error);
  if (list != NULL)
    pair = _pyisolate_value_coerce (list, G_VARIANT_TYPE ("(dd)"), NULL);
  if (pair == NULL && (error == NULL || *error == NULL))
    return fail (error, type, "the value is a list of two numbers");
  return pair != NULL ? new_tagged (PYISOLATE_TAG_COMPLEX, pair) : NULL;
}

/* The zone is in the text, or in "tzinfo" where that says more. */
static GVariant *
read_time (const char *type,
           JsonObject *object,
           JsonNode   *node,
           GError    **error)
{
  const char *text = get_text (node);
  gboolean fold = get_boolean_member (object, "fold", FALSE);
  g_autofree char *tag = g_strconcat (PYISOLATE_TAG_PREFIX, type, NULL);
  g_autofree char *offset = NULL;
  g_autoptr(GVariant) tzinfo = NULL;

  if (text == NULL)
    return fail (error, type, "the value is a string as isoformat() writes it");
  /* Python before 3.11 does not know the Z. */
  if (g_str_has_suffix (text, "Z"))
    offset = g_strdup_printf ("%.*s+00:00", (int) strlen (text) - 1, text);
  if (offset != NULL)
    text = offset;
  if (!json_object_has_member (object, "tzinfo"))
    return new_tagged (tag, fold ? g_variant_new ("(sb)", text, fold)
                                 : g_variant_new_string (text));

  tzinfo = _pyisolate_value_from_json (json_object_get_member (object, "tzinfo"), error);
  return tzinfo != NULL ? new_tagged (tag, g_variant_new ("(sb@*)", text, fold, tzinfo)) : NULL;
}

static GVariant *
read_timedelta (const char *type,
                JsonObject *object,
                JsonNode   *node,
                GError    **error)
{
  const char *text = get_text (node);
  g_autoptr(GRegex) regex = NULL;
  g_autoptr(GMatchInfo) match = NULL;
  gint64 parts[5];

  regex = g_regex_new ("^(?:(-?\\d{1,9}) days?, )?"
                       "(\\d{1,2}):(\\d\\d):(\\d\\d)(?:\\.(\\d{6}))?$", 0, 0, NULL);
  if (text == NULL || !g_regex_match (regex, text, 0, &match))
    return fail (error, type, "the value is a string such as \"1 day, 2:03:04.000005\"");
  for (int i = 0; i < 5; i++)
    {
      g_autofree char *part = g_match_info_fetch (match, i + 1);

      parts[i] = part != NULL ? g_ascii_strtoll (part, NULL, 10) : 0;
    }
  return new_tagged (PYISOLATE_TAG_TIMEDELTA,
                     g_variant_new ("(xxx)", parts[0], (parts[1] * 60 + parts[2]) * 60 + parts[3],
                                    parts[4]));
}

static GVariant *
read_timezone (const char *type,
               JsonObject *object,
               JsonNode   *node,
               GError    **error)
{
  const char *text = get_text (node);
  g_autoptr(GRegex) regex = NULL;
  g_autoptr(GMatchInfo) match = NULL;
  g_autoptr(GVariant) name = NULL;
  g_autofree char *sign = NULL;
  gint64 parts[4];
  gint64 sum;

  regex = g_regex_new ("^([+-])(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:\\.(\\d{6}))?)?$", 0, 0, NULL);
  if (text == NULL || !g_regex_match (regex, text, 0, &match))
    return fail (error, type, "the value is an offset such as \"+05:30\"");
  for (int i = 0; i < 4; i++)
    {
      g_autofree char *part = g_match_info_fetch (match, i + 2);

      parts[i] = part != NULL ? g_ascii_strtoll (part, NULL, 10) : 0;
    }
  sign = g_match_info_fetch (match, 1);
  sum = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * G_USEC_PER_SEC + parts[3];
  if (*sign == '-')
    sum = -sum;

  if (json_object_has_member (object, "name"))
    name = _pyisolate_value_from_json (json_object_get_member (object, "name"), error);
  else
    name = g_variant_ref_sink (pyisolate_value_new_none ());
  if (name == NULL)
    return NULL;
  return new_tagged (PYISOLATE_TAG_TIMEZONE,
                     g_variant_new ("((xxx)@*)", (gint64) 0, (gint64) 0, sum, name));
}

static GVariant *
read_text (const char *type,
           JsonObject *object,
           JsonNode   *node,
           GError    **error)
{
  g_autofree char *tag = g_strconcat (PYISOLATE_TAG_PREFIX, type, NULL);
  g_autoptr(GVariant) text = _pyisolate_value_from_json (node, error);

  return text != NULL ? new_tagged (tag, text) : NULL;
}

static GVariant *
read_named (const char *type,
            JsonObject *object,
            JsonNode   *node,
            GError    **error)
{
  const char *name = get_text_member (object, "name", NULL);
  g_autofree char *tag = g_strconcat (PYISOLATE_TAG_PREFIX, type, NULL);
  g_autoptr(GVariant) value = NULL;

  if (name == NULL)
    return fail (error, type, "it has no \"name\", under which the class is registered");
  value = _pyisolate_value_from_json (node, error);
  return value != NULL ? new_tagged (tag, g_variant_new ("(s@*)", name, value)) : NULL;
}

static const struct {
  const char *type;
  Reader      read;
} readers[] = {
  { "int", read_int },
  { "float", read_float },
  { "str", read_binary },
  { "bytes", read_binary },
  { "bytearray", read_binary },
  { "memoryview", read_memoryview },
  { "tuple", read_items },
  { "set", read_items },
  { "frozenset", read_items },
  { "dict", read_dict },
  { "complex", read_complex },
  { "datetime", read_time },
  { "time", read_time },
  { "date", read_text },
  { "timedelta", read_timedelta },
  { "timezone", read_timezone },
  { "ZoneInfo", read_text },
  { "Decimal", read_text },
  { "UUID", read_text },
  { "PurePosixPath", read_text },
  { "PureWindowsPath", read_text },
  { "PosixPath", read_text },
  { "WindowsPath", read_text },
  { "object", read_named },
  { "ext", read_named },
};

static GVariant *
read_typed (JsonObject *object,
            GError    **error)
{
  JsonNode *type_node = json_object_get_member (object, "$type");
  const char *type = get_text (type_node);
  JsonNode *value = json_object_get_member (object, "value");

  if (type == NULL || value == NULL)
    return fail (error, type != NULL ? type : "?", "a \"$type\" is a string beside a \"value\"");
  for (guint i = 0; i < G_N_ELEMENTS (readers); i++)
    {
      if (strcmp (readers[i].type, type) == 0)
        return readers[i].read (type, object, value, error);
    }
  return fail (error, type, "there is no such type");
}

static GVariant *
read_scalar (JsonNode *node)
{
  GType type = json_node_get_value_type (node);

  if (type == G_TYPE_BOOLEAN)
    return g_variant_new_boolean (json_node_get_boolean (node));
  if (type == G_TYPE_INT64)
    return g_variant_new_int64 (json_node_get_int (node));
  if (type == G_TYPE_DOUBLE)
    return g_variant_new_double (json_node_get_double (node));
  return g_variant_new_string (json_node_get_string (node));
}

/* Full. */
GVariant *
_pyisolate_value_from_json (JsonNode *node,
                            GError  **error)
{
  JsonObject *object;

  switch (json_node_get_node_type (node))
    {
    case JSON_NODE_NULL:
      return g_variant_ref_sink (pyisolate_value_new_none ());
    case JSON_NODE_VALUE:
      return g_variant_ref_sink (read_scalar (node));
    case JSON_NODE_ARRAY:
      return read_list (json_node_get_array (node), error);
    case JSON_NODE_OBJECT:
    default:
      object = json_node_get_object (node);
      if (json_object_has_member (object, "$type"))
        return read_typed (object, error);
      return read_object (object, error);
    }
}
