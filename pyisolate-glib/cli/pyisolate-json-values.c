/* SPDX-License-Identifier: MIT */
/* From values to JSON. A value that arrived has been checked, but a payload may be anything: one
 * that is not of the form that docs/values.md gives for its tag is shown as a plain tuple. */
#include "config.h"

#include "pyisolate-json-values.h"

#include "pyisolate-value-private.h"

#include <math.h>

/* --- Building --- */

static JsonNode *
new_string (const char *text)
{
  return json_node_init_string (json_node_alloc (), text);
}

static JsonNode *
new_int (gint64 number)
{
  return json_node_init_int (json_node_alloc (), number);
}

/* {"$type": type, "value": value}; consumes @value. */
static JsonNode *
new_typed (const char *type,
           JsonNode   *value)
{
  g_autoptr(JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "$type", type);
  json_object_set_member (object, "value", value);
  return json_node_init_object (json_node_alloc (), object);
}

static JsonNode *
new_array (JsonArray *array)
{
  JsonNode *node = json_node_init_array (json_node_alloc (), array);

  json_array_unref (array);
  return node;
}

static JsonNode *
new_base64 (GVariant *bytes)
{
  gsize size;
  const guchar *data = g_variant_get_fixed_array (bytes, &size, 1);
  g_autofree char *text = g_base64_encode (data, size);

  return new_string (text);
}

static JsonNode *
new_float (double number)
{
  if (isnan (number))
    return new_typed ("float", new_string ("nan"));
  if (isinf (number))
    return new_typed ("float", new_string (number > 0 ? "inf" : "-inf"));
  return json_node_init_double (json_node_alloc (), number);
}

static JsonNode *
new_uint64 (guint64 number)
{
  g_autofree char *text = NULL;

  if (number <= G_MAXINT64)
    return new_int (number);
  text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
  return new_typed ("int", new_string (text));
}

/* --- Containers --- */

static JsonArray *
list_items (GVariant *value)
{
  JsonArray *array = json_array_new ();
  gsize n_items = g_variant_n_children (value);

  for (gsize i = 0; i < n_items; i++)
    {
      g_autoptr(GVariant) item = g_variant_get_child_value (value, i);

      json_array_add_element (array, _pyisolate_value_to_json (item));
    }
  return array;
}

static void
add_pair (JsonArray *pairs,
          GVariant  *key,
          GVariant  *value)
{
  JsonArray *pair = json_array_new ();

  json_array_add_element (pair, _pyisolate_value_to_json (key));
  json_array_add_element (pair, _pyisolate_value_to_json (value));
  json_array_add_array_element (pairs, pair);
}

/* Whether the keys can be those of a JSON object. */
static gboolean
has_plain_keys (GVariant *dict)
{
  GVariantIter iter;
  GVariant *entry;

  if (!g_variant_is_of_type (dict, G_VARIANT_TYPE ("a{s*}")))
    return FALSE;
  g_variant_iter_init (&iter, dict);
  while ((entry = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr(GVariant) owned = entry;
      g_autoptr(GVariant) key = g_variant_get_child_value (owned, 0);

      if (strcmp (g_variant_get_string (key, NULL), "$type") == 0)
        return FALSE;
    }
  return TRUE;
}

static JsonNode *
dict_to_json (GVariant *dict)
{
  g_autoptr(JsonObject) object = NULL;
  JsonArray *pairs = NULL;
  GVariantIter iter;
  GVariant *entry;

  if (has_plain_keys (dict))
    object = json_object_new ();
  else
    pairs = json_array_new ();

  g_variant_iter_init (&iter, dict);
  while ((entry = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr(GVariant) owned = entry;
      g_autoptr(GVariant) key = g_variant_get_child_value (owned, 0);
      g_autoptr(GVariant) value = g_variant_get_child_value (owned, 1);

      if (object != NULL)
        json_object_set_member (object, g_variant_get_string (key, NULL),
                                _pyisolate_value_to_json (value));
      else
        add_pair (pairs, key, value);
    }
  return object != NULL ? json_node_init_object (json_node_alloc (), object)
                        : new_typed ("dict", new_array (pairs));
}

/* --- Tagged values: NULL where the payload does not fit --- */

static JsonNode *
int_to_json (GVariant *payload)
{
  const char *text;
  g_autofree char *decimal = NULL;

  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE_STRING))
    return NULL;
  text = g_variant_get_string (payload, NULL);
  decimal = _pyisolate_json_integer_to_decimal (text);
  return new_typed ("int", new_string (decimal != NULL ? decimal : text));
}

static JsonNode *
memoryview_to_json (GVariant *payload)
{
  g_autoptr(GVariant) data = NULL;
  g_autoptr(GVariant) shape = NULL;
  JsonNode *node;
  JsonObject *object;
  const char *format;
  gboolean readonly;

  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE ("(bsa*ay)")))
    return NULL;
  g_variant_get (payload, "(b&s@*@ay)", &readonly, &format, &shape, &data);
  node = new_typed ("memoryview", new_base64 (data));
  object = json_node_get_object (node);
  if (!readonly)
    json_object_set_boolean_member (object, "readonly", FALSE);
  if (strcmp (format, "B") != 0 || g_variant_n_children (shape) != 1)
    {
      json_object_set_string_member (object, "format", format);
      json_object_set_member (object, "shape", _pyisolate_value_to_json (shape));
    }
  return node;
}

static JsonNode *
columns_to_json (GVariant *payload)
{
  g_autoptr(GVariant) keys = NULL;
  g_autoptr(GVariant) values = NULL;
  JsonArray *pairs;
  gsize n_items;

  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE ("(a*a*)")))
    return NULL;
  keys = g_variant_get_child_value (payload, 0);
  values = g_variant_get_child_value (payload, 1);
  n_items = g_variant_n_children (keys);
  if (g_variant_n_children (values) != n_items)
    return NULL;

  pairs = json_array_new ();
  for (gsize i = 0; i < n_items; i++)
    {
      g_autoptr(GVariant) key = g_variant_get_child_value (keys, i);
      g_autoptr(GVariant) value = g_variant_get_child_value (values, i);

      add_pair (pairs, key, value);
    }
  return new_typed ("dict", new_array (pairs));
}

/* "+05:30", with seconds and microseconds where there are any. */
static char *
print_offset (gint64 microseconds)
{
  guint64 size = ABS (microseconds);
  guint64 seconds = size / G_USEC_PER_SEC;
  GString *text = g_string_new (microseconds < 0 ? "-" : "+");

  g_string_append_printf (text, "%02u:%02u", (guint) (seconds / 3600), (guint) (seconds / 60 % 60));
  if (size % (60 * (guint64) G_USEC_PER_SEC) != 0)
    g_string_append_printf (text, ":%02u", (guint) (seconds % 60));
  if (size % G_USEC_PER_SEC != 0)
    g_string_append_printf (text, ".%06u", (guint) (size % G_USEC_PER_SEC));
  return g_string_free (text, FALSE);
}

static JsonNode *
timezone_to_json (GVariant *payload)
{
  g_autoptr(GVariant) name = NULL;
  g_autofree char *offset = NULL;
  gint64 days, seconds, microseconds;
  JsonNode *node;

  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE ("((xxx)*)")))
    return NULL;
  g_variant_get (payload, "((xxx)@*)", &days, &seconds, &microseconds, &name);
  if (days < -1 || days > 0 || seconds < 0 || seconds >= 86400 || microseconds < 0
      || microseconds >= G_USEC_PER_SEC)
    return NULL;
  offset = print_offset ((days * 86400 + seconds) * G_USEC_PER_SEC + microseconds);
  node = new_typed ("timezone", new_string (offset));
  if (!pyisolate_value_is_none (name))
    json_object_set_member (json_node_get_object (node), "name", _pyisolate_value_to_json (name));
  return node;
}

/* Whether the text of a datetime says all about its zone: an offset without a name. */
static gboolean
is_plain_zone (GVariant *tzinfo)
{
  g_autoptr(GVariant) payload = NULL;
  g_autoptr(GVariant) name = NULL;

  if (pyisolate_value_is_none (tzinfo))
    return TRUE;
  if (_pyisolate_value_untag (tzinfo, &payload) != NULL
      && g_variant_is_of_type (payload, G_VARIANT_TYPE ("((xxx)*)")))
    name = g_variant_get_child_value (payload, 1);
  return name != NULL && pyisolate_value_is_none (name);
}

static JsonNode *
time_to_json (const char *type,
              GVariant   *payload)
{
  g_autoptr(GVariant) tzinfo = NULL;
  const char *text;
  gboolean fold;
  JsonNode *node;

  if (g_variant_is_of_type (payload, G_VARIANT_TYPE_STRING))
    return new_typed (type, new_string (g_variant_get_string (payload, NULL)));
  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE ("(sb*)")))
    return NULL;
  g_variant_get (payload, "(&sb@*)", &text, &fold, &tzinfo);
  node = new_typed (type, new_string (text));
  if (fold)
    json_object_set_boolean_member (json_node_get_object (node), "fold", TRUE);
  if (!is_plain_zone (tzinfo))
    json_object_set_member (json_node_get_object (node), "tzinfo",
                            _pyisolate_value_to_json (tzinfo));
  return node;
}

/* As str() of a timedelta. */
static JsonNode *
timedelta_to_json (GVariant *payload)
{
  g_autoptr(GString) text = g_string_new (NULL);
  gint64 days, seconds, microseconds;

  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE ("(xxx)")))
    return NULL;
  g_variant_get (payload, "(xxx)", &days, &seconds, &microseconds);
  if (seconds < 0 || seconds >= 86400 || microseconds < 0 || microseconds >= G_USEC_PER_SEC)
    return NULL;
  if (days != 0)
    g_string_append_printf (text, "%" G_GINT64_FORMAT " day%s, ", days,
                            days == 1 || days == -1 ? "" : "s");
  g_string_append_printf (text, "%d:%02d:%02d", (int) (seconds / 3600), (int) (seconds / 60 % 60),
                          (int) (seconds % 60));
  if (microseconds != 0)
    g_string_append_printf (text, ".%06d", (int) microseconds);
  return new_typed ("timedelta", new_string (text->str));
}

static JsonNode *
named_to_json (const char *type,
               GVariant   *payload)
{
  g_autoptr(GVariant) name = NULL;
  g_autoptr(GVariant) value = NULL;
  JsonNode *node;

  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE ("(s*)")))
    return NULL;
  g_variant_get (payload, "(@s@*)", &name, &value);
  node = new_typed (type, _pyisolate_value_to_json (value));
  json_object_set_string_member (json_node_get_object (node), "name",
                                 g_variant_get_string (name, NULL));
  return node;
}

static gboolean
is_one_of (const char        *tag,
           const char *const *tags)
{
  return g_strv_contains (tags, tag);
}

static JsonNode *
tagged_to_json (const char *tag,
                GVariant   *payload)
{
  static const char *const lists[] = { PYISOLATE_TAG_TUPLE, PYISOLATE_TAG_SET,
                                       PYISOLATE_TAG_FROZENSET, NULL };
  static const char *const times[] = { PYISOLATE_TAG_DATETIME, PYISOLATE_TAG_TIME, NULL };
  static const char *const named[] = { PYISOLATE_TAG_OBJECT, PYISOLATE_TAG_EXT, NULL };
  static const char *const binaries[] = { PYISOLATE_TAG_STR, PYISOLATE_TAG_BYTEARRAY, NULL };
  const char *type = tag + strlen (PYISOLATE_TAG_PREFIX);

  if (g_str_equal (tag, PYISOLATE_TAG_INT))
    return int_to_json (payload);
  if (is_one_of (tag, binaries))
    return g_variant_is_of_type (payload, G_VARIANT_TYPE_BYTESTRING)
             ? new_typed (type, new_base64 (payload)) : NULL;
  if (g_str_equal (tag, PYISOLATE_TAG_MEMORYVIEW))
    return memoryview_to_json (payload);
  if (is_one_of (tag, lists))
    return g_variant_is_of_type (payload, G_VARIANT_TYPE_ARRAY)
             ? new_typed (type, new_array (list_items (payload))) : NULL;
  if (g_str_equal (tag, PYISOLATE_TAG_DICT))
    return columns_to_json (payload);
  if (g_str_equal (tag, PYISOLATE_TAG_COMPLEX))
    return g_variant_is_of_type (payload, G_VARIANT_TYPE ("(dd)"))
             ? new_typed (type, new_array (list_items (payload))) : NULL;
  if (is_one_of (tag, times))
    return time_to_json (type, payload);
  if (g_str_equal (tag, PYISOLATE_TAG_TIMEDELTA))
    return timedelta_to_json (payload);
  if (g_str_equal (tag, PYISOLATE_TAG_TIMEZONE))
    return timezone_to_json (payload);
  if (is_one_of (tag, named))
    return named_to_json (type, payload);
  /* The others are a text, which may itself be one with lone surrogates. */
  return new_typed (type, _pyisolate_value_to_json (payload));
}

/* --- Everything --- */

static JsonNode *
object_path_to_json (GVariant *value)
{
  const char *path = g_variant_get_string (value, NULL);

  if (g_str_equal (path, PYISOLATE_TAG_NONE))
    return json_node_init_null (json_node_alloc ());
  if (g_str_equal (path, PYISOLATE_TAG_EMPTY_TUPLE))
    return new_typed ("tuple", new_array (json_array_new ()));
  return new_string (path);
}

static JsonNode *
plain_to_json (GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      return json_node_init_boolean (json_node_alloc (), g_variant_get_boolean (value));
    case G_VARIANT_CLASS_BYTE:
      return new_int (g_variant_get_byte (value));
    case G_VARIANT_CLASS_INT16:
      return new_int (g_variant_get_int16 (value));
    case G_VARIANT_CLASS_UINT16:
      return new_int (g_variant_get_uint16 (value));
    case G_VARIANT_CLASS_INT32:
      return new_int (g_variant_get_int32 (value));
    case G_VARIANT_CLASS_UINT32:
      return new_int (g_variant_get_uint32 (value));
    case G_VARIANT_CLASS_INT64:
      return new_int (g_variant_get_int64 (value));
    case G_VARIANT_CLASS_UINT64:
      return new_uint64 (g_variant_get_uint64 (value));
    case G_VARIANT_CLASS_HANDLE:
      return new_typed ("FileDescriptor", new_int (g_variant_get_handle (value)));
    case G_VARIANT_CLASS_DOUBLE:
      return new_float (g_variant_get_double (value));
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_SIGNATURE:
      return new_string (g_variant_get_string (value, NULL));
    case G_VARIANT_CLASS_OBJECT_PATH:
      return object_path_to_json (value);
    case G_VARIANT_CLASS_ARRAY:
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
        return new_typed ("bytes", new_base64 (value));
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
        return dict_to_json (value);
      return new_array (list_items (value));
    default:
      return new_typed ("tuple", new_array (list_items (value)));
    }
}

/* @value is in the form in which values travel. */
JsonNode *
_pyisolate_value_to_json (GVariant *value)
{
  g_autoptr(GVariant) plain = _pyisolate_value_unbox (value);
  g_autoptr(GVariant) payload = NULL;
  const char *tag = _pyisolate_value_untag (plain, &payload);
  JsonNode *node = tag != NULL ? tagged_to_json (tag, payload) : NULL;

  return node != NULL ? node : plain_to_json (plain);
}
