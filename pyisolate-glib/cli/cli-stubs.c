/* SPDX-License-Identifier: MIT */
/* A .pyi file from what a worker told about its methods.
 *
 * The file must be valid Python whatever a worker says, so that nothing is taken over that is not
 * understood: an annotation that is no plain type expression becomes Any, a default that is no
 * plain literal becomes "...". Names that the file uses and does not have are made known: what
 * stands before a dot is imported, anything else is an alias of Any.
 */
#include "config.h"

#include "cli-stubs.h"

#include "cli-annotation.h"

#include <string.h>

/* What annotations are made of without an import. */
static const char * const builtins[] = {
  "BaseException", "Exception", "bool", "bytearray", "bytes",      "complex", "dict",
  "float",         "frozenset", "int",  "list",      "memoryview", "object",  "range",
  "set",           "slice",     "str",  "tuple",     "type",       NULL,
};

/* What they take from the module typing, where it may be written without the module's name. */
static const char * const typing_names[] = {
  "Annotated", "Any",      "AsyncIterator", "Awaitable", "Callable", "Dict",     "FrozenSet",
  "Iterable",  "Iterator", "List",          "Literal",   "Mapping",  "Optional", "Sequence",
  "Set",       "Tuple",    "Type",          "Union",     NULL,
};

/* As inspect orders and names them. */
typedef enum {
  KIND_POSITIONAL_ONLY,
  KIND_POSITIONAL_OR_KEYWORD,
  KIND_VAR_POSITIONAL,
  KIND_KEYWORD_ONLY,
  KIND_VAR_KEYWORD,
  KIND_UNKNOWN,
} Kind;

static const char * const kind_names[] = {
  "POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL", "KEYWORD_ONLY", "VAR_KEYWORD",
};
G_STATIC_ASSERT (G_N_ELEMENTS (kind_names) == KIND_UNKNOWN);

/* What the file needs at its top: sets of names. */
typedef struct {
  char *own;                  /* "module.": the extension's, before names of its own */
  GHashTable *modules;
  GHashTable *aliases;
  GHashTable *typing;
} Names;

char *
cli_stubs_signature (PyIsolateMethodInfo *method)
{
  return g_strdup_printf ("%sdef %s%s", pyisolate_method_info_get_is_async (method) ? "async " : "",
                          pyisolate_method_info_get_name (method),
                          pyisolate_method_info_get_signature (method));
}

/* "numpy.typing" of "numpy.typing.NDArray": what stands before what looks like a class. */
static char *
guess_module (const char *dotted)
{
  g_auto (GStrv) parts = g_strsplit (dotted, ".", -1);
  GString *module = g_string_new (parts[0]);

  for (guint i = 1; parts[i + 1] != NULL; i++)
    {
      if (g_unichar_isupper (g_utf8_get_char (parts[i])))
        break;
      g_string_append_printf (module, ".%s", parts[i]);
    }
  return g_string_free (module, FALSE);
}

static void
use_name (Names      *names,
          const char *dotted,
          gboolean    is_own)
{
  if (is_own)
    g_hash_table_add (names->aliases, g_strndup (dotted, strcspn (dotted, ".")));
  else if (strchr (dotted, '.') != NULL)
    g_hash_table_add (names->modules, guess_module (dotted));
  else if (g_strv_contains (typing_names, dotted))
    g_hash_table_add (names->typing, g_strdup (dotted));
  else if (!g_strv_contains (builtins, dotted))
    g_hash_table_add (names->aliases, g_strdup (dotted));
}

/* With ": " for a parameter, " -> " for a result; nothing where nothing is known. */
static void
append_annotation (GString    *out,
                   const char *before,
                   const char *annotation,
                   Names      *names)
{
  g_autoptr (GPtrArray) used = NULL;

  if (annotation == NULL || *annotation == '\0')
    return;
  g_string_append (out, before);
  used = cli_annotation_read (annotation);
  if (used == NULL)
    {
      g_string_append (out, "Any");
      return;
    }
  /* They come in the order in which they stand there. */
  for (guint i = 0; i < used->len; i++)
    {
      const char *name = used->pdata[i];
      const char *place = strstr (annotation, name);
      const char *shown = g_str_has_prefix (name, names->own) ? name + strlen (names->own) : name;
      gboolean is_own = shown != name;

      g_string_append_len (out, annotation, place - annotation);
      g_string_append (out, shown);
      annotation = place + strlen (name);
      use_name (names, shown, is_own);
    }
  g_string_append (out, annotation);
}

static Kind
get_kind (PyIsolateParameterInfo *parameter)
{
  const char *name = pyisolate_parameter_info_get_kind (parameter);
  Kind kind = 0;

  while (kind < KIND_UNKNOWN && g_strcmp0 (name, kind_names[kind]) != 0)
    kind++;
  return kind;
}

static void
append_parameter (GString                *out,
                  PyIsolateParameterInfo *parameter,
                  Names                  *names)
{
  const char *default_value = pyisolate_parameter_info_get_default_value (parameter);
  Kind kind = get_kind (parameter);
  gsize before;

  g_string_append (out, kind == KIND_VAR_POSITIONAL ? "*" : kind == KIND_VAR_KEYWORD ? "**" : "");
  g_string_append (out, pyisolate_parameter_info_get_name (parameter));
  before = out->len;
  append_annotation (out, ": ", pyisolate_parameter_info_get_annotation (parameter), names);
  if (default_value == NULL)
    return;
  g_string_append (out, out->len > before ? " = " : "=");
  g_string_append (out, cli_annotation_is_literal (default_value) ? default_value : "...");
}

/* Whether Python would have them so. */
static gboolean
check_parameters (GListModel *parameters)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gboolean had_default = FALSE;
  Kind last = KIND_POSITIONAL_ONLY;

  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (PyIsolateParameterInfo) parameter = g_list_model_get_item (parameters, i);
      const char *name = pyisolate_parameter_info_get_name (parameter);
      gboolean has_default = pyisolate_parameter_info_get_default_value (parameter) != NULL;
      Kind kind = get_kind (parameter);
      gboolean variable = kind == KIND_VAR_POSITIONAL || kind == KIND_VAR_KEYWORD;

      if (kind == KIND_UNKNOWN || kind < last || !cli_annotation_is_name (name)
          || !g_hash_table_add (seen, g_strdup (name)))
        return FALSE;
      if (variable && (has_default || kind == last))
        return FALSE;
      if (kind <= KIND_POSITIONAL_OR_KEYWORD && had_default && !has_default)
        return FALSE;
      had_default = had_default || has_default;
      last = kind;
    }
  return TRUE;
}

static void
append_parameters (GString    *out,
                   GListModel *parameters,
                   Names      *names)
{
  guint n = g_list_model_get_n_items (parameters);
  Kind last = KIND_UNKNOWN;

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (PyIsolateParameterInfo) parameter = g_list_model_get_item (parameters, i);
      Kind kind = get_kind (parameter);

      if (last == KIND_POSITIONAL_ONLY && kind != last)
        g_string_append (out, ", /");
      if (i > 0)
        g_string_append (out, ", ");
      if (kind == KIND_KEYWORD_ONLY && last != KIND_VAR_POSITIONAL && last != kind)
        g_string_append (out, "*, ");
      append_parameter (out, parameter, names);
      last = kind;
    }
  if (last == KIND_POSITIONAL_ONLY)
    g_string_append (out, ", /");
}

static void
append_doc (GString    *out,
            const char *doc)
{
  g_autofree char *valid = g_utf8_make_valid (doc, -1);
  g_auto (GStrv) lines = g_strsplit (g_strstrip (valid), "\n", -1);

  g_string_append (out, "\n    \"\"\"");
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append (out, *lines[i] != '\0' ? "\n    " : "\n");
      for (const char *p = lines[i]; *p != '\0'; p++)
        {
          if (*p == '\\' || *p == '"')
            g_string_append_c (out, '\\');
          if ((guchar) *p >= 0x20 || *p == '\t')
            g_string_append_c (out, *p);
        }
    }
  g_string_append (out, "\"\"\"\n    ...\n");
}

static void
append_method (GString             *out,
               PyIsolateMethodInfo *method,
               Names               *names)
{
  const char *name = pyisolate_method_info_get_name (method);
  const char *doc = pyisolate_method_info_get_doc (method);
  GListModel *parameters = pyisolate_method_info_get_parameters (method);

  if (!cli_annotation_is_name (name))
    {
      g_autofree char *shown = g_strescape (name, NULL);

      g_string_append_printf (out, "\n# A method whose name Python cannot write: \"%s\"\n", shown);
      return;
    }
  g_string_append_printf (out, "\n%sdef %s(",
                          pyisolate_method_info_get_is_async (method) ? "async " : "", name);
  if (check_parameters (parameters))
    append_parameters (out, parameters, names);
  else
    g_string_append (out, "*args: Any, **kwargs: Any");
  g_string_append_c (out, ')');
  append_annotation (out, " -> ", pyisolate_method_info_get_returns (method), names);
  g_string_append_c (out, ':');
  if (doc != NULL && *doc != '\0')
    append_doc (out, doc);
  else
    g_string_append (out, " ...\n");
}

static int
compare_strings (gconstpointer a,
                 gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

/* The sorted names, with @separator between them. */
static char *
join_names (GHashTable *set,
            const char *separator)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (keys, key);
  g_ptr_array_sort (keys, compare_strings);
  g_ptr_array_add (keys, NULL);
  return g_strjoinv (separator, (char **) keys->pdata);
}

static void
append_head (GString *file,
             Names   *names)
{
  g_autofree char *modules = join_names (names->modules, "\nimport ");
  g_autofree char *aliases = join_names (names->aliases, ": TypeAlias = Any\n");
  g_autofree char *typing = NULL;

  if (*aliases != '\0')
    g_hash_table_add (names->typing, g_strdup ("TypeAlias"));
  typing = join_names (names->typing, ", ");
  if (*modules != '\0')
    g_string_append_printf (file, "import %s\n", modules);
  g_string_append_printf (file, "from typing import %s\n", typing);
  if (*aliases != '\0')
    g_string_append_printf (file, "\n# Known in the extension only.\n%s: TypeAlias = Any\n",
                            aliases);
}

/* The name by which the extension's own module can be imported, as the worker has it. */
static char *
get_own_prefix (PyIsolateExtension *extension)
{
  const char *path =
      pyisolate_extension_config_get_module_path (pyisolate_extension_get_config (extension));
  g_autofree char *base = g_path_get_basename (path);

  if (g_str_has_suffix (base, ".py"))
    base[strlen (base) - 3] = '\0';
  return g_strconcat (g_strdelimit (base, "-. ", '_'), ".", NULL);
}

char *
cli_stubs_file (PyIsolateExtension *extension)
{
  GListModel *methods = pyisolate_extension_get_methods (extension);
  g_autoptr (GHashTable) modules = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) aliases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) typing = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *own = get_own_prefix (extension);
  Names names = { .own = own, .modules = modules, .aliases = aliases, .typing = typing };
  g_autoptr (GString) body = g_string_new (NULL);
  g_autofree char *shown_name = g_strescape (pyisolate_extension_get_name (extension), NULL);
  GString *file = g_string_new (NULL);

  g_hash_table_add (typing, g_strdup ("Any"));
  for (guint i = 0; i < g_list_model_get_n_items (methods); i++)
    {
      g_autoptr (PyIsolateMethodInfo) method = g_list_model_get_item (methods, i);

      append_method (body, method, &names);
    }
  g_string_append_printf (
      file, "# The methods of the extension \"%s\", as pyisolate " PACKAGE_VERSION " found them.\n",
      shown_name);
  append_head (file, &names);
  g_string_append (file, body->str);
  return g_string_free (file, FALSE);
}
