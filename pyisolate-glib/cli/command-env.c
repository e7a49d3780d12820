/* SPDX-License-Identifier: MIT */
/* pyisolate env: the table of its subcommands, and those that tell and remove. */
#include "config.h"

#include "commands.h"

#include "cli-json.h"
#include "cli-output.h"
#include "cli-terminal.h"
#include "env-common.h"

const CliCommand command_env_table[] = {
  { "create", "Make the environments of extensions", env_create, NULL },
  { "update", "Choose versions anew, and make what follows", env_update, NULL },
  { "list", "Show all environments, and what each costs on the disk", env_list, NULL },
  { "show", "Show one environment", env_show, NULL },
  { "verify", "Compare every file with what was installed", env_verify, NULL },
  { "repair", "Make an environment anew from its own lock", env_repair, NULL },
  { "remove", "Remove an environment that nobody uses now", env_remove, NULL },
  { "prune", "Remove all that no extension refers to", env_prune, NULL },
  { NULL },
};

static char *
format_day (gint64 seconds)
{
  g_autoptr (GDateTime) when = seconds > 0 ? g_date_time_new_from_unix_local (seconds) : NULL;

  return when != NULL ? g_date_time_format (when, "%Y-%m-%d") : g_strdup ("?");
}

static void
append_row (GString                        *out,
            const PyIsolateEnvironmentInfo *info)
{
  g_autofree char *key = env_short_key (info->key);
  g_autofree char *unique = env_format_size (info->size_unique);
  g_autofree char *total = env_format_size (info->size_total);
  g_autofree char *created = format_day (info->created);
  g_autofree char *users = g_strjoinv (", ", info->extensions);
  const char *state = info->generation == 0 ? " (not whole)" : info->in_use ? " (running)" : "";

  g_string_append_printf (out, "%-12s  %-8s %8u  %10s %10s  %-10s  %s%s\n", key,
                          info->python_version != NULL ? info->python_version : "?",
                          g_strv_length (info->packages), unique, total, created,
                          *users != '\0' ? users : "-", state);
}

int
env_list (CliProgram *program,
          int         argc,
          char      **argv)
{
  g_auto (GStrv) rest = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  GString *out;
  guint64 unique = 0;
  g_autofree char *sum = NULL;

  rest = cli_program_parse (
      program, argc, argv, NULL,
      "Extra disk is what would be freed: files that no other environment and no cache shares.",
      CLI_OPTIONS_JSON, NULL);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (rest[0] != NULL)
    return cli_program_usage_error ("no argument is expected");
  list = env_read_list (program, &error);
  if (list == NULL)
    return cli_program_fail (program, error);

  out = g_string_new (NULL);
  json_builder_begin_array (builder);
  if (list->len > 0)
    g_string_append (
        out, "KEY           PYTHON   PACKAGES  EXTRA DISK      TOTAL  CREATED     EXTENSIONS\n");
  for (guint i = 0; i < list->len; i++)
    {
      const PyIsolateEnvironmentInfo *info = list->pdata[i];

      env_add_info (builder, info);
      append_row (out, info);
      unique += info->size_unique;
    }
  json_builder_end_array (builder);
  sum = env_format_size (unique);
  g_string_append_printf (out, "%u environment%s in %s, %s extra disk\n", list->len,
                          list->len == 1 ? "" : "s", program->venv_root, sum);
  if (program->json)
    {
      g_string_free (out, TRUE);
      return cli_output_json (program, json_builder_get_root (builder));
    }
  return cli_output_take (program, g_string_free (out, FALSE));
}

static void
append_strv (GString    *out,
             const char *name,
             char      **values)
{
  g_string_append_printf (out, "%s:", name);
  if (values == NULL || values[0] == NULL)
    g_string_append (out, " none");
  g_string_append_c (out, '\n');
  for (; values != NULL && *values != NULL; values++)
    g_string_append_printf (out, "  %s\n", *values);
}

static char *
show_text (const PyIsolateEnvironmentInfo *info)
{
  g_autofree char *unique = env_format_size (info->size_unique);
  g_autofree char *total = env_format_size (info->size_total);
  g_autofree char *created = format_day (info->created);
  GString *out = g_string_new (NULL);

  g_string_append_printf (out, "key:        %s\n", info->key);
  g_string_append_printf (out, "python:     %s, %s\n",
                          info->python_version != NULL ? info->python_version : "?",
                          info->python != NULL ? info->python : "?");
  if (info->generation > 0)
    g_string_append_printf (out, "prefix:     %s\n", info->prefix);
  else
    g_string_append (out, "prefix:     none is whole\n");
  g_string_append_printf (out, "generation: %u (%u on the disk)\n", info->generation,
                          info->n_generations);
  g_string_append_printf (out, "created:    %s\n", created);
  g_string_append_printf (out, "in use:     %s\n", info->in_use ? "yes" : "no");
  g_string_append_printf (out, "extra disk: %s of %s\n", unique, total);
  append_strv (out, "extensions", info->extensions);
  append_strv (out, "requirements", info->requirements);
  append_strv (out, "packages", info->packages);
  return g_string_free (out, FALSE);
}

int
env_show (CliProgram *program,
          int         argc,
          char      **argv)
{
  g_auto (GStrv) rest = NULL;
  g_autoptr (PyIsolateEnvironmentInfo) info = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  g_autoptr (GError) error = NULL;

  rest = cli_program_parse (program, argc, argv, "WHICH", ENV_WHICH_DESCRIPTION, CLI_OPTIONS_JSON,
                            NULL);
  if (rest == NULL || env_which (rest) == NULL)
    return CLI_EXIT_USAGE;
  info = env_read_one (program, rest[0], &error);
  if (info == NULL)
    return cli_program_fail (program, error);
  if (!program->json)
    return cli_output_take (program, show_text (info));
  builder = json_builder_new ();
  env_add_info (builder, info);
  return cli_output_json (program, json_builder_get_root (builder));
}

static void
remove_in_thread (GTask        *task,
                  gpointer      source,
                  gpointer      data,
                  GCancellable *cancellable)
{
  const EnvJob *job = data;
  GError *error = NULL;

  if (_pyisolate_environment_remove (job->venv_root, job->which, cancellable, &error))
    g_task_return_pointer (task, g_strdup (job->which), g_free);
  else
    g_task_return_error (task, error);
}

int
env_remove (CliProgram *program,
            int         argc,
            char      **argv)
{
  g_auto (GStrv) rest = NULL;
  g_autofree char *removed = NULL;
  g_autoptr (GError) error = NULL;

  rest = cli_program_parse (program, argc, argv, "WHICH", ENV_WHICH_DESCRIPTION, CLI_OPTIONS_NONE,
                            NULL);
  if (rest == NULL || env_which (rest) == NULL)
    return CLI_EXIT_USAGE;
  removed = cli_program_run_in_thread (program, remove_in_thread, env_job_new (program, rest[0]),
                                       env_job_free, FALSE, &error);
  return removed != NULL ? CLI_EXIT_DONE : cli_program_fail (program, error);
}

static void
prune_in_thread (GTask        *task,
                 gpointer      source,
                 gpointer      data,
                 GCancellable *cancellable)
{
  const EnvJob *job = data;
  GError *error = NULL;
  PyIsolateEnvironmentPruneReport *report = g_new0 (PyIsolateEnvironmentPruneReport, 1);

  if (_pyisolate_environment_prune (job->venv_root, job->made_before, report, cancellable, &error))
    g_task_return_pointer (task, report, g_free);
  else
    {
      g_free (report);
      g_task_return_error (task, error);
    }
}

static JsonNode *
prune_json (const PyIsolateEnvironmentPruneReport *report)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "environments");
  json_builder_add_int_value (builder, report->n_environments);
  json_builder_set_member_name (builder, "leftovers");
  json_builder_add_int_value (builder, report->n_leftovers);
  json_builder_set_member_name (builder, "freed");
  json_builder_add_int_value (builder, (gint64) report->size);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

int
env_prune (CliProgram *program,
           int         argc,
           char      **argv)
{
  int older_than = G_MININT;
  const GOptionEntry entries[] = {
    { "older-than", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_INT, &older_than,
      "Only environments that were made longer ago than that", "DAYS" },
    { NULL },
  };
  g_auto (GStrv) rest = NULL;
  g_autofree PyIsolateEnvironmentPruneReport *report = NULL;
  g_autofree char *size = NULL;
  g_autoptr (GError) error = NULL;
  EnvJob *job;

  rest = cli_program_parse (program, argc, argv, NULL, "What a process uses now stays.",
                            CLI_OPTIONS_JSON, entries);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (rest[0] != NULL)
    return cli_program_usage_error ("no argument is expected (remove takes one)");
  if (older_than < 0 && older_than != G_MININT)
    return cli_program_usage_error ("--older-than needs a number of days");
  job = env_job_new (program, NULL);
  if (older_than >= 0)
    job->made_before = g_get_real_time () / G_USEC_PER_SEC - (gint64) older_than * 24 * 60 * 60;
  report = cli_program_run_in_thread (program, prune_in_thread, job, env_job_free, FALSE, &error);
  if (report == NULL)
    return cli_program_fail (program, error);
  if (program->json)
    return cli_output_json (program, prune_json (report));
  size = env_format_size (report->size);
  return cli_output_take (
      program, g_strdup_printf ("Removed: %u environment%s, %u leftover%s; %s freed\n",
                                report->n_environments, report->n_environments == 1 ? "" : "s",
                                report->n_leftovers, report->n_leftovers == 1 ? "" : "s", size));
}
