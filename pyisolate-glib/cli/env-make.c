/* SPDX-License-Identifier: MIT */
/* pyisolate env create, update and repair: what makes environments. */
#include "config.h"

#include "env-common.h"

#include "cli-extension.h"
#include "cli-json.h"
#include "cli-output.h"
#include "cli-terminal.h"
#include "pyisolate-extension-config-private.h"

typedef PyIsolateEnvironment *(*MakeFunc) (const PyIsolateEnvironmentRequest  *request,
                                           const char                         *which,
                                           PyIsolateEnvironmentProgressFunc    progress,
                                           gpointer                            user_data,
                                           GCancellable                       *cancellable,
                                           GError                            **error);

typedef struct {
  MakeFunc func;
  const PyIsolateEnvironmentRequest *request;
  const char *which;
} MakeJob;

typedef struct {
  double fraction;
  char *text;
} Update;

static void
update_free (gpointer data)
{
  Update *self = data;

  g_free (self->text);
  g_free (self);
}

static gboolean
show_update (gpointer data)
{
  const Update *self = data;

  cli_terminal_progress (self->fraction, self->text);
  return G_SOURCE_REMOVE;
}

/* In the thread that makes the environment; the terminal belongs to the main one. */
static void
on_progress (PyIsolateEnvironmentStage stage,
             double                    fraction,
             const char               *text,
             gpointer                  data)
{
  Update *update = g_new0 (Update, 1);

  update->fraction = fraction;
  update->text = g_strdup (text);
  g_main_context_invoke_full (NULL, G_PRIORITY_DEFAULT, show_update, update, update_free);
}

static PyIsolateEnvironment *
ensure (const PyIsolateEnvironmentRequest  *request,
        const char                         *which,
        PyIsolateEnvironmentProgressFunc    progress,
        gpointer                            user_data,
        GCancellable                       *cancellable,
        GError                            **error)
{
  return _pyisolate_environment_ensure (request, progress, user_data, cancellable, error);
}

static PyIsolateEnvironment *
update (const PyIsolateEnvironmentRequest  *request,
        const char                         *which,
        PyIsolateEnvironmentProgressFunc    progress,
        gpointer                            user_data,
        GCancellable                       *cancellable,
        GError                            **error)
{
  return _pyisolate_environment_update (request, progress, user_data, cancellable, error);
}

static void
make_in_thread (GTask        *task,
                gpointer      source,
                gpointer      data,
                GCancellable *cancellable)
{
  const MakeJob *job = data;
  GError *error = NULL;
  PyIsolateEnvironment *environment =
      job->func (job->request, job->which, on_progress, NULL, cancellable, &error);

  env_return (task, environment, (GDestroyNotify) _pyisolate_environment_unref, error);
}

static PyIsolateEnvironment *
make (CliProgram                        *program,
      MakeFunc                           func,
      const PyIsolateEnvironmentRequest *request,
      const char                        *which,
      GError                           **error)
{
  MakeJob job = { .func = func, .request = request, .which = which };
  PyIsolateEnvironment *environment;

  /* It is cancellable, so that it always comes back, and leaves nothing half-made. */
  environment = cli_program_run_in_thread (program, make_in_thread, &job, NULL, FALSE, error);
  cli_terminal_clear ();
  return environment;
}

static PyIsolateEnvironment *
make_for_extension (CliProgram                *program,
                    MakeFunc                   func,
                    const char                *path,
                    const CliExtensionOptions *options,
                    char                     **name,
                    GError                   **error)
{
  g_autoptr (PyIsolateExtensionConfig) config =
      cli_extension_read_config (program, path, options, error);
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;

  if (config == NULL || !pyisolate_extension_config_validate (config, error))
    return NULL;
  _pyisolate_extension_config_resolve_paths (config);
  *name = g_strdup (pyisolate_extension_config_get_name (config));
  request = cli_extension_make_request (program, config, options);
  if (!_pyisolate_environment_check_request (request, error))
    return NULL;
  return make (program, func, request, NULL, error);
}

static void
add_made (JsonBuilder          *builder,
          GString              *out,
          const char           *name,
          PyIsolateEnvironment *environment)
{
  const char *key = _pyisolate_environment_get_key (environment);
  g_autofree char *short_key = env_short_key (key != NULL ? key : "-");

  json_builder_begin_object (builder);
  cli_json_set_string (builder, "extension", name);
  cli_json_set_string (builder, "key", key);
  cli_json_set_string (builder, "prefix", _pyisolate_environment_get_prefix (environment));
  cli_json_set_string (builder, "python_version",
                       _pyisolate_environment_get_python_version (environment));
  json_builder_end_object (builder);
  g_string_append_printf (out, "%s%s%s  %s\n", name != NULL ? name : "", name != NULL ? "  " : "",
                          short_key, _pyisolate_environment_get_prefix (environment));
}

static int
print_made (CliProgram  *program,
            JsonBuilder *builder,
            GString     *out)
{
  if (program->json)
    return cli_output_json (program, json_builder_get_root (builder));
  return out->len > 0 ? cli_output_take (program, g_strdup (out->str)) : CLI_EXIT_DONE;
}

/* One that cannot be had does not keep the others from being made; the first error decides about
 * the exit status. */
static int
make_all (CliProgram *program,
          int         argc,
          char      **argv,
          MakeFunc    func,
          const char *description)
{
  g_auto (CliExtensionOptions) options = { 0 };
  const GOptionEntry entries[] = {
    CLI_ENVIRONMENT_ENTRIES (options),
    { NULL },
  };
  g_auto (GStrv) rest = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GString) out = g_string_new (NULL);
  int code = CLI_EXIT_DONE;
  int output;

  rest = cli_program_parse (program, argc, argv, "DIR-or-FILE...", description, CLI_OPTIONS_JSON,
                            entries);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (rest[0] == NULL)
    return cli_program_usage_error ("an extension is missing");
  json_builder_begin_array (builder);
  for (guint i = 0; rest[i] != NULL && program->signal_number == 0; i++)
    {
      g_autofree char *name = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (PyIsolateEnvironment) environment = NULL;

      environment = make_for_extension (program, func, rest[i], &options, &name, &error);
      if (environment != NULL)
        add_made (builder, out, name, environment);
      else
        {
          int this_code = cli_program_fail (program, error);

          code = code == CLI_EXIT_DONE ? this_code : code;
        }
    }
  json_builder_end_array (builder);
  output = print_made (program, builder, out);
  return code != CLI_EXIT_DONE ? code : output;
}

int
env_create (CliProgram *program,
            int         argc,
            char      **argv)
{
  return make_all (program, argc, argv, ensure,
                   "Makes what is not there yet; 'pyisolate call' does the same when it must.");
}

int
env_update (CliProgram *program,
            int         argc,
            char      **argv)
{
  return make_all (
      program, argc, argv, update,
      "Looks for newer versions that the requirements allow, and for changes of local ones.\n"
      "What runs now keeps what it has until it is started anew.");
}

int
env_repair (CliProgram *program,
            int         argc,
            char      **argv)
{
  g_auto (CliExtensionOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "find-links", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME_ARRAY, &options.find_links,
      "A directory with wheels, or a page of links; may be repeated", "DIR" },
    { "index-url", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &options.index_url,
      "The package index to use", "URL" },
    { NULL },
  };
  g_auto (GStrv) rest = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  rest = cli_program_parse (program, argc, argv, "WHICH", ENV_WHICH_DESCRIPTION, CLI_OPTIONS_JSON,
                            entries);
  if (rest == NULL || env_which (rest) == NULL)
    return CLI_EXIT_USAGE;
  request = cli_extension_make_bare_request (program, &options);
  environment = make (program, _pyisolate_environment_repair, request, rest[0], &error);
  if (environment == NULL)
    return cli_program_fail (program, error);
  add_made (builder, out, NULL, environment);
  return print_made (program, builder, out);
}
