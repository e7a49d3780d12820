/* SPDX-License-Identifier: MIT */
/* pyisolate describe: an extension's methods, for people, for programs, and as a file of stubs. */
#include "config.h"

#include "commands.h"

#include "cli-extension.h"
#include "cli-json.h"
#include "cli-output.h"
#include "cli-stubs.h"
#include "cli-terminal.h"

#include <string.h>

typedef struct {
  gboolean stubs;
  CliExtensionOptions extension;
} DescribeOptions;

static void
describe_options_clear (DescribeOptions *self)
{
  cli_extension_options_clear (&self->extension);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DescribeOptions, describe_options_clear)

static const char description[] =
  "The extension is loaded for it, as its methods are known when it has been imported.";

static void
add_parameter (JsonBuilder            *builder,
               PyIsolateParameterInfo *parameter)
{
  json_builder_begin_object (builder);
  cli_json_set_string (builder, "name", pyisolate_parameter_info_get_name (parameter));
  cli_json_set_string (builder, "kind", pyisolate_parameter_info_get_kind (parameter));
  cli_json_set_string (builder, "annotation", pyisolate_parameter_info_get_annotation (parameter));
  cli_json_set_string (builder, "default", pyisolate_parameter_info_get_default_value (parameter));
  json_builder_end_object (builder);
}

static void
add_method (JsonBuilder         *builder,
            PyIsolateMethodInfo *method)
{
  GListModel *parameters = pyisolate_method_info_get_parameters (method);

  json_builder_begin_object (builder);
  cli_json_set_string (builder, "name", pyisolate_method_info_get_name (method));
  cli_json_set_string (builder, "signature", pyisolate_method_info_get_signature (method));
  cli_json_set_string (builder, "returns", pyisolate_method_info_get_returns (method));
  cli_json_set_string (builder, "doc", pyisolate_method_info_get_doc (method));
  json_builder_set_member_name (builder, "async");
  json_builder_add_boolean_value (builder, pyisolate_method_info_get_is_async (method));
  cli_json_set_string (builder, "runs_on", pyisolate_method_info_get_runs_on (method));
  json_builder_set_member_name (builder, "parameters");
  json_builder_begin_array (builder);
  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (PyIsolateParameterInfo) parameter = g_list_model_get_item (parameters, i);

      add_parameter (builder, parameter);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static JsonNode *
describe_json (PyIsolateExtension *extension)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  GListModel *methods = pyisolate_extension_get_methods (extension);

  json_builder_begin_object (builder);
  cli_json_set_string (builder, "name", pyisolate_extension_get_name (extension));
  cli_json_set_string (
      builder, "module_path",
      pyisolate_extension_config_get_module_path (pyisolate_extension_get_config (extension)));
  json_builder_set_member_name (builder, "methods");
  json_builder_begin_array (builder);
  for (guint i = 0; i < g_list_model_get_n_items (methods); i++)
    {
      g_autoptr (PyIsolateMethodInfo) method = g_list_model_get_item (methods, i);

      add_method (builder, method);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

/* What a worker says is shown to people with its control characters visible. */
static void
append_lines (GString    *out,
              const char *indent,
              const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *line = cli_terminal_escape (lines[i]);

      g_string_append_printf (out, "%s%s\n", *line != '\0' ? indent : "", line);
    }
}

static void
append_method (GString             *out,
               PyIsolateMethodInfo *method)
{
  g_autofree char *signature = cli_stubs_signature (method);
  const char *doc = pyisolate_method_info_get_doc (method);
  const char *runs_on = pyisolate_method_info_get_runs_on (method);

  g_string_append_c (out, '\n');
  append_lines (out, "", signature);
  if (doc != NULL && *doc != '\0')
    append_lines (out, "    ", doc);
  if (g_strcmp0 (runs_on, "second") == 0)
    append_lines (out, "    ", "(runs on the extension's second thread)");
  else if (g_strcmp0 (runs_on, "pool") == 0)
    append_lines (out, "    ", "(runs on a thread of its own)");
}

static char *
describe_text (PyIsolateExtension *extension)
{
  GListModel *methods = pyisolate_extension_get_methods (extension);
  GString *out = g_string_new (NULL);

  g_string_append_printf (
      out, "%s, from %s\n", pyisolate_extension_get_name (extension),
      pyisolate_extension_config_get_module_path (pyisolate_extension_get_config (extension)));
  if (g_list_model_get_n_items (methods) == 0)
    g_string_append (out, "\nIt has no public methods.\n");
  for (guint i = 0; i < g_list_model_get_n_items (methods); i++)
    {
      g_autoptr (PyIsolateMethodInfo) method = g_list_model_get_item (methods, i);

      append_method (out, method);
    }
  return g_string_free (out, FALSE);
}

int
command_describe (CliProgram *program,
                  int         argc,
                  char      **argv)
{
  g_auto (DescribeOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "stubs", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &options.stubs, "Print a .pyi file",
      NULL },
    CLI_EXTENSION_ENTRIES (options.extension),
    { NULL },
  };
  g_auto (GStrv) rest = NULL;
  g_autoptr (CliExtension) loaded = NULL;
  g_autoptr (GError) error = NULL;
  JsonNode *node = NULL;
  char *text = NULL;

  rest = cli_program_parse (program, argc, argv, "DIR-or-FILE", description, CLI_OPTIONS_JSON,
                            entries);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (g_strv_length (rest) != 1)
    return cli_program_usage_error ("one extension is expected");
  if (options.stubs && program->json)
    return cli_program_usage_error ("--stubs and --json exclude each other");

  loaded = cli_extension_load (program, rest[0], &options.extension, &error);
  if (loaded == NULL)
    return cli_program_fail (program, error);
  if (program->json)
    node = describe_json (loaded->extension);
  else if (options.stubs)
    text = cli_stubs_file (loaded->extension);
  else
    text = describe_text (loaded->extension);
  g_clear_pointer (&loaded, cli_extension_unload);
  return node != NULL ? cli_output_json (program, node) : cli_output_take (program, text);
}
