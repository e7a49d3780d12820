/* SPDX-License-Identifier: MIT */
/* pyisolate doctor: what is there and what is missing; and, if nothing is, a trial. */
#include "config.h"

#include "commands.h"

#include "cli-extension.h"
#include "cli-json.h"
#include "cli-output.h"
#include "cli-terminal.h"
#include "doctor.h"

#include <glib/gstdio.h>

/* By DoctorState. */
static const char * const state_names[] = { "ok", "note", "missing" };

static const char trial_source[] = "def answer():\n    return 42\n";

void
doctor_add (GPtrArray   *checks,
            const char  *name,
            DoctorState  state,
            char        *found,
            char        *advice)
{
  DoctorCheck *check = g_new0 (DoctorCheck, 1);

  check->name = name;
  check->state = state;
  check->found = found;
  check->advice = advice;
  g_ptr_array_add (checks, check);
}

static void
doctor_check_free (gpointer data)
{
  DoctorCheck *self = data;

  g_free (self->found);
  g_free (self->advice);
  g_free (self);
}

/* Where to look, and a root of its own for what is tried, so that looking changes nothing. */
typedef struct {
  char *venv_root;
  char *scratch;
} LookJob;

static void
look_in_thread (GTask        *task,
                gpointer      source,
                gpointer      data,
                GCancellable *cancellable)
{
  const LookJob *job = data;
  GPtrArray *checks = g_ptr_array_new_with_free_func (doctor_check_free);

  doctor_check_parts (checks);
  doctor_check_programs (checks, job->scratch, cancellable);
  doctor_check_storage (checks, job->venv_root);
  doctor_check_kernel (checks);
  g_task_return_pointer (task, checks, (GDestroyNotify) g_ptr_array_unref);
}

static gboolean
is_missing (GPtrArray *checks)
{
  for (guint i = 0; i < checks->len; i++)
    if (((const DoctorCheck *) checks->pdata[i])->state == DOCTOR_MISSING)
      return TRUE;
  return FALSE;
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK))
    dir = g_dir_open (path, 0, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

/* Loads an extension of two lines, calls it and stops it. */
static gboolean
call_trial (CliProgram *program,
            const char *folder,
            GError    **error)
{
  g_autofree char *file = g_build_filename (folder, "pyisolate_doctor.py", NULL);
  const CliExtensionOptions options = { 0 };
  g_autoptr (CliExtension) loaded = NULL;
  g_autoptr (PyIsolateCall) the_call = pyisolate_call_new ("answer");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GAsyncResult) called = NULL;
  g_autofree char *state = NULL;
  CliWait wait = { NULL };

  if (!g_file_set_contents (file, trial_source, -1, error))
    return FALSE;
  loaded = cli_extension_load (program, file, &options, error);
  if (loaded == NULL)
    return FALSE;
  state = g_strdup (pyisolate_extension_get_state_directory (loaded->extension));
  pyisolate_extension_start_call_async (loaded->extension, the_call, program->cancellable,
                                        cli_wait_callback, &wait);
  called = cli_wait_result (&wait);
  result = pyisolate_extension_start_call_finish (loaded->extension, called, error);
  g_clear_pointer (&loaded, cli_extension_unload);
  if (state != NULL)
    remove_tree (state);
  return result != NULL;
}

static void
check_trial (CliProgram *program,
             const char *folder,
             char       *scratch,
             GPtrArray  *checks)
{
  g_autoptr (GError) error = NULL;
  char *real_root = program->venv_root;
  gint64 start = g_get_monotonic_time ();
  gboolean good;

  program->venv_root = scratch;
  good = call_trial (program, folder, &error);
  program->venv_root = real_root;
  if (good)
    doctor_add (checks, "trial", DOCTOR_OK,
                g_strdup_printf ("an extension was made ready, called and stopped in %d ms",
                                 (int) ((g_get_monotonic_time () - start) / 1000)),
                NULL);
  else
    doctor_add (
        checks, "trial", DOCTOR_MISSING, g_strdup (error->message),
        g_strdup ("everything seems to be there, and yet an extension did not run: this is why"));
}

static GPtrArray *
examine (CliProgram *program,
         GError    **error)
{
  g_autofree char *folder = g_dir_make_tmp ("pyisolate-doctor-XXXXXX", error);
  g_autofree char *scratch = NULL;
  LookJob job = { .venv_root = program->venv_root };
  GPtrArray *checks;

  if (folder == NULL)
    return NULL;
  scratch = g_build_filename (folder, "venvs", NULL);
  job.scratch = scratch;
  checks = cli_program_run_in_thread (program, look_in_thread, &job, NULL, FALSE, error);
  if (checks != NULL && !is_missing (checks))
    check_trial (program, folder, scratch, checks);
  remove_tree (folder);
  return checks;
}

static JsonNode *
make_json (GPtrArray *checks)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "ok");
  json_builder_add_boolean_value (builder, !is_missing (checks));
  json_builder_set_member_name (builder, "checks");
  json_builder_begin_array (builder);
  for (guint i = 0; i < checks->len; i++)
    {
      const DoctorCheck *check = checks->pdata[i];

      json_builder_begin_object (builder);
      cli_json_set_string (builder, "name", check->name);
      cli_json_set_string (builder, "state", state_names[check->state]);
      cli_json_set_string (builder, "found", check->found);
      cli_json_set_string (builder, "advice", check->advice);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

static char *
make_text (GPtrArray *checks)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < checks->len; i++)
    {
      const DoctorCheck *check = checks->pdata[i];
      g_autofree char *found = cli_terminal_escape (check->found);

      g_string_append_printf (out, "%-7s  %-20s  %s\n", state_names[check->state], check->name,
                              found);
      if (check->advice != NULL)
        g_string_append_printf (out, "%-7s  %-20s  -> %s\n", "", "", check->advice);
    }
  g_string_append (out, is_missing (checks)
                            ? "\nExtensions cannot run: see what is missing above.\n"
                            : "\nExtensions can run.\n");
  return g_string_free (out, FALSE);
}

int
command_doctor (CliProgram *program,
                int         argc,
                char      **argv)
{
  g_auto (GStrv) rest = NULL;
  g_autoptr (GPtrArray) checks = NULL;
  g_autoptr (GError) error = NULL;
  int code;

  rest = cli_program_parse (program, argc, argv, NULL,
                            "Exit status 3: something is missing that extensions need.",
                            CLI_OPTIONS_JSON, NULL);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (rest[0] != NULL)
    return cli_program_usage_error ("no argument is expected");
  checks = examine (program, &error);
  if (checks == NULL)
    return cli_program_fail (program, error);
  if (program->signal_number != 0)
    return 128 + program->signal_number;
  code = program->json ? cli_output_json (program, make_json (checks))
                       : cli_output_take (program, make_text (checks));
  return code == CLI_EXIT_DONE && is_missing (checks) ? CLI_EXIT_ENVIRONMENT : code;
}
