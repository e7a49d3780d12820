/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "env-common.h"

#include "cli-json.h"

#include <string.h>

#define SHORT_KEY 12

EnvJob *
env_job_new (CliProgram *program,
             const char *which)
{
  EnvJob *job = g_new0 (EnvJob, 1);

  job->venv_root = g_strdup (program->venv_root);
  job->which = g_strdup (which);
  job->made_before = PYISOLATE_ENV_ANY_TIME;
  return job;
}

void
env_job_free (gpointer data)
{
  EnvJob *job = data;

  g_free (job->venv_root);
  g_free (job->which);
  g_free (job);
}

void
env_return (GTask          *task,
            gpointer        result,
            GDestroyNotify  destroy,
            GError         *error)
{
  if (result != NULL)
    g_task_return_pointer (task, result, destroy);
  else
    g_task_return_error (task, error);
}

static void
list_in_thread (GTask        *task,
                gpointer      source,
                gpointer      data,
                GCancellable *cancellable)
{
  const EnvJob *job = data;
  GError *error = NULL;
  GPtrArray *list = _pyisolate_environment_list (job->venv_root, &error);

  env_return (task, list, (GDestroyNotify) g_ptr_array_unref, error);
}

GPtrArray *
env_read_list (CliProgram *program,
               GError    **error)
{
  return cli_program_run_in_thread (program, list_in_thread, env_job_new (program, NULL),
                                    env_job_free, TRUE, error);
}

static void
show_in_thread (GTask        *task,
                gpointer      source,
                gpointer      data,
                GCancellable *cancellable)
{
  const EnvJob *job = data;
  GError *error = NULL;
  PyIsolateEnvironmentInfo *info = _pyisolate_environment_show (job->venv_root, job->which, &error);

  env_return (task, info, (GDestroyNotify) _pyisolate_environment_info_free, error);
}

PyIsolateEnvironmentInfo *
env_read_one (CliProgram *program,
              const char *which,
              GError    **error)
{
  return cli_program_run_in_thread (program, show_in_thread, env_job_new (program, which),
                                    env_job_free, TRUE, error);
}

char *
env_format_size (guint64 bytes)
{
  const char * const units[] = { "kB", "MB", "GB", "TB" };
  double size = (double) bytes / 1000;
  guint unit = 0;

  if (bytes < 1000)
    return g_strdup_printf ("%u B", (guint) bytes);
  while (size >= 1000 && unit + 1 < G_N_ELEMENTS (units))
    {
      size /= 1000;
      unit++;
    }
  return g_strdup_printf ("%.1f %s", size, units[unit]);
}

char *
env_short_key (const char *key)
{
  return g_strndup (key, SHORT_KEY);
}

void
env_add_info (JsonBuilder                    *builder,
              const PyIsolateEnvironmentInfo *info)
{
  g_autoptr (GDateTime) created = g_date_time_new_from_unix_utc (info->created);
  g_autofree char *text = created != NULL ? g_date_time_format_iso8601 (created) : NULL;

  json_builder_begin_object (builder);
  cli_json_set_string (builder, "key", info->key);
  json_builder_set_member_name (builder, "generation");
  json_builder_add_int_value (builder, info->generation);
  json_builder_set_member_name (builder, "generations");
  json_builder_add_int_value (builder, info->n_generations);
  cli_json_set_string (builder, "prefix", info->prefix);
  cli_json_set_string (builder, "python", info->python);
  cli_json_set_string (builder, "python_version", info->python_version);
  cli_json_set_strv (builder, "requirements", (const char * const *) info->requirements);
  cli_json_set_strv (builder, "packages", (const char * const *) info->packages);
  cli_json_set_strv (builder, "extensions", (const char * const *) info->extensions);
  cli_json_set_string (builder, "created", text);
  json_builder_set_member_name (builder, "size_total");
  json_builder_add_int_value (builder, (gint64) info->size_total);
  json_builder_set_member_name (builder, "size_unique");
  json_builder_add_int_value (builder, (gint64) info->size_unique);
  json_builder_set_member_name (builder, "in_use");
  json_builder_add_boolean_value (builder, info->in_use);
  json_builder_end_object (builder);
}

const char *
env_which (char **rest)
{
  if (g_strv_length (rest) == 1)
    return rest[0];
  cli_program_usage_error (
      "the key of one environment, or the name of an extension that uses it, is expected");
  return NULL;
}
