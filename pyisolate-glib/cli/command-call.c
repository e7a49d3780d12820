/* SPDX-License-Identifier: MIT */
/* pyisolate call: load, call, print. */
#include "config.h"

#include "commands.h"

#include "cli-arguments.h"
#include "cli-extension.h"
#include "cli-output.h"
#include "cli-terminal.h"
#include "pyisolate-json-values.h"

typedef struct {
  char *kwargs;
  char *timeout;
  gboolean raw;
  CliExtensionOptions extension;
} CallOptions;

static const char description[] =
  "DIR-or-FILE is an extension: a directory with an __init__.py, or one .py file.\n"
  "Each JSON-ARG is a JSON value: 3, '\"text\"', '[1, 2]'. @FILE reads it from a file, and\n"
  "- from the standard input. Negative numbers can be given as they are.\n"
  "\n"
  "Exit status: 0 done; 1 the extension raised; 2 usage, configuration or no such method;\n"
  "3 the environment cannot be had; 4 the worker died; 5 a deadline passed; 130 Ctrl-C.";

static void
call_options_clear (CallOptions *self)
{
  g_clear_pointer (&self->kwargs, g_free);
  g_clear_pointer (&self->timeout, g_free);
  cli_extension_options_clear (&self->extension);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CallOptions, call_options_clear)

static void
on_progress (PyIsolateCall *call,
             double         fraction,
             const char    *text,
             gpointer       data)
{
  cli_terminal_progress (fraction, text);
}

/* Names what there is: a wrong name is most often a misspelt one. */
static gboolean
check_method (PyIsolateExtension *extension,
              const char         *name,
              GError            **error)
{
  GListModel *methods;
  g_autoptr (GString) names = NULL;

  if (pyisolate_extension_find_method (extension, name) != NULL)
    return TRUE;
  methods = pyisolate_extension_get_methods (extension);
  names = g_string_new (NULL);
  for (guint i = 0; i < g_list_model_get_n_items (methods); i++)
    {
      g_autoptr (PyIsolateMethodInfo) method = g_list_model_get_item (methods, i);

      g_string_append_printf (names, "%s%s", i > 0 ? ", " : "",
                              pyisolate_method_info_get_name (method));
    }
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_NO_SUCH_METHOD,
               "Extension “%s” has no method “%s”; it has %s",
               pyisolate_extension_get_name (extension), name,
               names->len > 0 ? names->str : "none at all");
  return FALSE;
}

static GVariant *
call (CliProgram         *program,
      PyIsolateExtension *extension,
      PyIsolateCall      *the_call,
      GError            **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (PyIsolateCallResult) answer = NULL;
  CliWait wait = { NULL };

  if (!check_method (extension, pyisolate_call_get_method (the_call), error))
    return NULL;
  g_signal_connect (the_call, "progress", G_CALLBACK (on_progress), NULL);
  pyisolate_extension_start_call_async (extension, the_call, program->cancellable,
                                        cli_wait_callback, &wait);
  result = cli_wait_result (&wait);
  cli_terminal_clear ();
  answer = pyisolate_extension_start_call_finish (extension, result, error);
  return answer != NULL ? g_variant_ref (pyisolate_call_result_get_value (answer)) : NULL;
}

/* The bytes in the JSON form of bytes, bytearray or memoryview; NULL: it is something else. */
static GBytes *
get_raw (JsonNode *node)
{
  const char * const kinds[] = { "bytes", "bytearray", "memoryview", NULL };
  JsonObject *object;
  guchar *data;
  gsize size;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return NULL;
  object = json_node_get_object (node);
  if (!g_strv_contains (kinds, json_object_get_string_member_with_default (object, "$type", "")))
    return NULL;
  data = g_base64_decode (json_object_get_string_member (object, "value"), &size);
  return g_bytes_new_take (data, size);
}

static int
print_result (CliProgram *program,
              GVariant   *value,
              gboolean    raw)
{
  JsonNode *node;
  g_autoptr (GBytes) bytes = NULL;

  /* bytes themselves need no form. */
  if (raw && g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    {
      bytes = g_variant_get_data_as_bytes (value);
      return cli_output_bytes (program, bytes);
    }
  node = _pyisolate_value_to_json (value);
  bytes = raw ? get_raw (node) : NULL;
  if (bytes == NULL)
    return cli_output_json (program, node);
  json_node_unref (node);
  return cli_output_bytes (program, bytes);
}

static int
run (CliProgram        *program,
     const CallOptions *options,
     const char        *path,
     PyIsolateCall     *the_call)
{
  g_autoptr (CliExtension) loaded = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  loaded = cli_extension_load (program, path, &options->extension, &error);
  if (loaded != NULL)
    value = call (program, loaded->extension, the_call, &error);
  /* Its last lines come before ours. */
  g_clear_pointer (&loaded, cli_extension_unload);
  return value != NULL ? print_result (program, value, options->raw)
                       : cli_program_fail (program, error);
}

/* In milliseconds. */
static gboolean
read_seconds (const char *text,
              gint64     *timeout)
{
  char *end;
  double seconds = g_ascii_strtod (text, &end);

  /* Not a number fails both. */
  if (end == text || *end != '\0' || !(seconds > 0 && seconds <= G_MAXINT32))
    return FALSE;
  *timeout = MAX (1, (gint64) (seconds * 1000));
  return TRUE;
}

int
command_call (CliProgram *program,
              int         argc,
              char      **argv)
{
  g_auto (CallOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "kwargs", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &options.kwargs,
      "Keyword arguments, as a JSON object; @FILE and - too", "JSON" },
    { "timeout", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &options.timeout,
      "How long the call may take (default: what the extension says, or for ever)", "SECONDS" },
    { "raw", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &options.raw,
      "Write a result that is bytes as it is; any other is JSON all the same", NULL },
    CLI_EXTENSION_ENTRIES (options.extension),
    { NULL },
  };
  g_auto (GStrv) rest = NULL;
  g_autoptr (PyIsolateCall) the_call = NULL;
  g_autoptr (GVariant) args = NULL;
  g_autoptr (GVariant) kwargs = NULL;
  g_autoptr (GError) error = NULL;
  gint64 timeout = 0;
  guint n_stdin;

  rest = cli_program_parse (program, argc, argv, "DIR-or-FILE METHOD [JSON-ARG...]", description,
                            CLI_OPTIONS_NONE, entries);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (g_strv_length (rest) < 2)
    return cli_program_usage_error ("%s", rest[0] == NULL ? "an extension is missing"
                                                          : "a method is missing");
  if (options.timeout != NULL && !read_seconds (options.timeout, &timeout))
    return cli_program_usage_error ("--timeout needs a number of seconds above 0");
  n_stdin = cli_arguments_count_stdin ((const char * const *) rest + 2);
  if (n_stdin + (g_strcmp0 (options.kwargs, "-") == 0) > 1)
    return cli_program_usage_error ("the standard input can be one argument only");

  args = cli_arguments_read_tuple (program, (const char * const *) rest + 2, &error);
  if (args != NULL)
    kwargs = cli_arguments_read_kwargs (program, options.kwargs, &error);
  if (error != NULL)
    return cli_program_fail (program, error);
  the_call = pyisolate_call_new (rest[1]);
  pyisolate_call_set_args (the_call, args);
  pyisolate_call_set_kwargs (the_call, kwargs);
  if (options.timeout != NULL)
    pyisolate_call_set_timeout (the_call, timeout);
  return run (program, &options, rest[0], the_call);
}
