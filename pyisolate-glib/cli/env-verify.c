/* SPDX-License-Identifier: MIT */
/* pyisolate env verify: every file of one environment, or of all. */
#include "config.h"

#include "env-common.h"

#include "cli-json.h"
#include "cli-output.h"
#include "cli-terminal.h"

/* Of one environment. */
typedef struct {
  char *which;
  GPtrArray *problems;
} Verdict;

static void
verdict_free (gpointer data)
{
  Verdict *self = data;

  g_free (self->which);
  g_ptr_array_unref (self->problems);
  g_free (self);
}

static void
verify_in_thread (GTask        *task,
                  gpointer      source,
                  gpointer      data,
                  GCancellable *cancellable)
{
  const EnvJob *job = data;
  GError *error = NULL;
  GPtrArray *problems =
      _pyisolate_environment_verify (job->venv_root, job->which, cancellable, &error);

  env_return (task, problems, (GDestroyNotify) g_ptr_array_unref, error);
}

static gboolean
verify_one (CliProgram *program,
            const char *which,
            GPtrArray  *verdicts,
            GError    **error)
{
  GPtrArray *problems;
  Verdict *verdict;

  problems = cli_program_run_in_thread (program, verify_in_thread, env_job_new (program, which),
                                        env_job_free, FALSE, error);
  if (problems == NULL)
    return FALSE;
  verdict = g_new0 (Verdict, 1);
  verdict->which = g_strdup (which);
  verdict->problems = problems;
  g_ptr_array_add (verdicts, verdict);
  return TRUE;
}

/* Of those that were in the list, one may have been removed by now; and one that is being made, or was left half-made, has
 * nothing yet that could be damaged. */
static gboolean
has_something (CliProgram *program,
               const char *key)
{
  g_autoptr (PyIsolateEnvironmentInfo) info = env_read_one (program, key, NULL);

  return info != NULL && info->n_generations > 0;
}

static GPtrArray *
verify (CliProgram *program,
        const char *which,
        GError    **error)
{
  g_autoptr (GPtrArray) verdicts = g_ptr_array_new_with_free_func (verdict_free);
  g_autoptr (GPtrArray) list = NULL;

  if (which != NULL)
    return verify_one (program, which, verdicts, error) ? g_steal_pointer (&verdicts) : NULL;
  list = env_read_list (program, error);
  if (list == NULL)
    return NULL;
  for (guint i = 0; i < list->len; i++)
    {
      const PyIsolateEnvironmentInfo *info = list->pdata[i];
      g_autoptr (GError) local_error = NULL;

      cli_terminal_progress ((double) i / list->len, info->key);
      if (verify_one (program, info->key, verdicts, &local_error))
        continue;
      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || has_something (program, info->key))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
    }
  return g_steal_pointer (&verdicts);
}

static JsonNode *
make_json (GPtrArray *verdicts)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (guint i = 0; i < verdicts->len; i++)
    {
      const Verdict *verdict = verdicts->pdata[i];

      json_builder_begin_object (builder);
      cli_json_set_string (builder, "environment", verdict->which);
      json_builder_set_member_name (builder, "problems");
      json_builder_begin_array (builder);
      for (guint j = 0; j < verdict->problems->len; j++)
        {
          const PyIsolateEnvironmentProblem *problem = verdict->problems->pdata[j];

          json_builder_begin_object (builder);
          cli_json_set_string (builder, "kind",
                               _pyisolate_environment_problem_kind_to_string (problem->kind));
          cli_json_set_string (builder, "path", problem->path);
          json_builder_end_object (builder);
        }
      json_builder_end_array (builder);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  return json_builder_get_root (builder);
}

static char *
make_text (GPtrArray *verdicts)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < verdicts->len; i++)
    {
      const Verdict *verdict = verdicts->pdata[i];

      if (verdict->problems->len == 0)
        g_string_append_printf (out, "%s: every file is as it was installed\n", verdict->which);
      for (guint j = 0; j < verdict->problems->len; j++)
        {
          const PyIsolateEnvironmentProblem *problem = verdict->problems->pdata[j];
          g_autofree char *path = cli_terminal_escape (problem->path);

          g_string_append_printf (out, "%s: %s %s\n", verdict->which,
                                  _pyisolate_environment_problem_kind_to_string (problem->kind),
                                  path);
        }
    }
  return g_string_free (out, FALSE);
}

int
env_verify (CliProgram *program,
            int         argc,
            char      **argv)
{
  g_auto (GStrv) rest = NULL;
  g_autoptr (GPtrArray) verdicts = NULL;
  g_autoptr (GError) error = NULL;
  const char *broken = NULL;
  int code;

  rest = cli_program_parse (program, argc, argv, "[WHICH]",
                            ENV_WHICH_DESCRIPTION " Without it\n"
                            "all environments are read. Exit status 3: something is wrong.",
                            CLI_OPTIONS_JSON, NULL);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (g_strv_length (rest) > 1)
    return cli_program_usage_error ("one environment is expected, or none for all");
  verdicts = verify (program, rest[0], &error);
  cli_terminal_clear ();
  if (verdicts == NULL)
    return cli_program_fail (program, error);
  code = program->json ? cli_output_json (program, make_json (verdicts))
                       : cli_output_take (program, make_text (verdicts));
  if (code != CLI_EXIT_DONE)
    return code;
  for (guint i = 0; i < verdicts->len && broken == NULL; i++)
    {
      const Verdict *verdict = verdicts->pdata[i];

      if (verdict->problems->len > 0)
        broken = verdict->which;
    }
  if (broken == NULL)
    return CLI_EXIT_DONE;
  cli_terminal_error ("“pyisolate env repair %s” makes it anew from its lock", broken);
  return CLI_EXIT_ENVIRONMENT;
}
