/* SPDX-License-Identifier: MIT */
/* The programs that extensions need: ours, uv, and interpreters. */
#include "config.h"

#include "doctor.h"

#include "pyisolate-env-interpreter-private.h"
#include "pyisolate-environment-private.h"
#include "pyisolate-worker-private.h"

#include <string.h>
#include <unistd.h>

/* What a program prints for --version, in one line; NULL: it does not run. */
static char *
get_version (const char   *path,
             GCancellable *cancellable)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *out = NULL;

  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                              NULL, path, "--version", NULL);
  if (process == NULL
      || !g_subprocess_communicate_utf8 (process, NULL, cancellable, &out, NULL, NULL)
      || !g_subprocess_get_successful (process) || out == NULL)
    return NULL;
  g_strdelimit (g_strchomp (out), "\n", ' ');
  return g_steal_pointer (&out);
}

static void
check_uv (GPtrArray    *checks,
          GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = _pyisolate_environment_find_uv (NULL, &error);
  g_autofree char *version = NULL;

  if (path == NULL)
    {
      doctor_add (checks, "uv", DOCTOR_MISSING, g_strdup ("not found"), g_strdup (error->message));
      return;
    }
  version = get_version (path, cancellable);
  if (version == NULL)
    doctor_add (checks, "uv", DOCTOR_MISSING, g_strdup_printf ("%s does not run", path),
                g_strdup ("install it anew, or set PYISOLATE_UV to the path of another"));
  else
    doctor_add (checks, "uv", DOCTOR_OK, g_strdup_printf ("%s, %s", version, path), NULL);
}

static void
check_uv_configuration (GPtrArray *checks)
{
  g_autofree char *user = g_build_filename (g_get_user_config_dir (), "uv", "uv.toml", NULL);
  const char *named = g_getenv ("UV_CONFIG_FILE");
  const char * const files[] = { named != NULL ? named : user,
                                named != NULL ? NULL : "/etc/uv/uv.toml", NULL };
  g_autoptr (GString) found = g_string_new (NULL);
  g_auto (GStrv) variables = g_listenv ();

  for (guint i = 0; files[i] != NULL; i++)
    if (g_file_test (files[i], G_FILE_TEST_EXISTS))
      g_string_append_printf (found, "%s%s", found->len > 0 ? ", " : "", files[i]);
  /* Their names only: the values may hold passwords. */
  for (guint i = 0; variables[i] != NULL; i++)
    if (g_str_has_prefix (variables[i], "UV_"))
      g_string_append_printf (found, "%s%s", found->len > 0 ? ", " : "", variables[i]);
  doctor_add (checks, "uv's settings", DOCTOR_OK, g_strdup (found->len > 0 ? found->str : "none"),
              NULL);
}

static char *
check_default_python (GPtrArray    *checks,
                      const char   *venv_root,
                      GCancellable *cancellable)
{
  g_autoptr (PyIsolateEnvironmentRequest) request = _pyisolate_environment_request_new (venv_root);
  g_autoptr (PyIsolateEnvInterpreter) interpreter = NULL;
  g_autoptr (GError) error = NULL;
  char *path;

  interpreter = _pyisolate_env_interpreter_resolve (request, TRUE, cancellable, &error);
  if (interpreter == NULL)
    {
      doctor_add (
          checks, "python", DOCTOR_MISSING, g_strdup (error->message),
          g_strdup ("install CPython 3.9 or later (the package python3), or name one by --python"));
      return NULL;
    }
  path = g_strdup (interpreter->path);
  doctor_add (checks, "python", DOCTOR_OK, g_strdup_printf ("%s, %s", interpreter->version, path),
              NULL);
  return path;
}

/* Those that --python can name by their version. */
static void
check_other_pythons (GPtrArray    *checks,
                     const char   *known,
                     GCancellable *cancellable)
{
  g_autoptr (GString) found = g_string_new (NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  if (known != NULL)
    g_hash_table_add (seen, g_strdup (known));
  for (int minor = 9; minor < 20; minor++)
    {
      g_autofree char *name = g_strdup_printf ("python3.%d", minor);
      g_autoptr (GPtrArray) paths = _pyisolate_env_interpreter_find (name, NULL);

      for (guint i = 0; i < paths->len; i++)
        {
          g_autoptr (PyIsolateEnvInterpreter) one = NULL;

          one = _pyisolate_env_interpreter_query (paths->pdata[i], NULL, TRUE, cancellable, NULL);
          if (one != NULL && g_hash_table_add (seen, g_strdup (one->path)))
            g_string_append_printf (found, "%s%s %s", found->len > 0 ? ", " : "", one->version,
                                    one->path);
        }
    }
  doctor_add (checks, "other pythons", DOCTOR_OK, g_strdup (found->len > 0 ? found->str : "none"),
              NULL);
}

static void
check_bwrap (GPtrArray    *checks,
             GCancellable *cancellable)
{
  g_autofree char *path = g_find_program_in_path ("bwrap");
  g_autofree char *version = path != NULL ? get_version (path, cancellable) : NULL;

  if (version != NULL)
    doctor_add (checks, "bubblewrap", DOCTOR_OK, g_strdup_printf ("%s, %s", version, path), NULL);
  else
    doctor_add (checks, "bubblewrap", DOCTOR_NOTE, g_strdup ("not found"),
                g_strdup ("the sandbox that is to come will need it: the package bubblewrap"));
}

void
doctor_check_programs (GPtrArray    *checks,
                       const char   *venv_root,
                       GCancellable *cancellable)
{
  g_autofree char *python = NULL;

  check_uv (checks, cancellable);
  check_uv_configuration (checks);
  python = check_default_python (checks, venv_root, cancellable);
  check_other_pythons (checks, python, cancellable);
  check_bwrap (checks, cancellable);
}

static void
check_part (GPtrArray  *checks,
            const char *name,
            const char *path,
            int         mode,
            const char *variable)
{
  if (access (path, mode) == 0)
    doctor_add (checks, name, DOCTOR_OK, g_strdup (path), NULL);
  else
    doctor_add (
        checks, name, DOCTOR_MISSING, g_strdup_printf ("%s is not there", path),
        g_strdup_printf (
            "install pyisolate-glib again; in a build folder use 'meson devenv', which sets %s",
            variable));
}

void
doctor_check_parts (GPtrArray *checks)
{
  g_autofree char *launcher = _pyisolate_get_launcher_path ();
  g_autofree char *boot = _pyisolate_get_runtime_path ("worker/boot.py");
  g_autofree char *native = _pyisolate_get_runtime_path ("worker/_pyisolate_native.abi3.so");

  doctor_add (checks, "pyisolate-glib", DOCTOR_OK, g_strdup (PACKAGE_VERSION), NULL);
  doctor_add (
      checks, "GLib", DOCTOR_OK,
      g_strdup_printf ("%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version),
      NULL);
  check_part (checks, "launcher", launcher, X_OK, "PYISOLATE_LAUNCHER");
  check_part (checks, "worker runtime", boot, R_OK, "PYISOLATE_RUNTIME_DIR");
  check_part (checks, "worker module", native, R_OK, "PYISOLATE_RUNTIME_DIR");
}
