/* SPDX-License-Identifier: MIT */
/* What a worker is started with.
 *
 * Its environment is made anew, not inherited: an application's variables hold secrets that are
 * none of an extension's business, and PYTHON* or LD_PRELOAD would reach into its interpreter. */
#include "config.h"

#include "pyisolate-worker-private.h"

#include <string.h>

/* Locale and terminal-free basics, certificates, and what decides about devices and threads. */
static const char *const inherited[] = {
  "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
  "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
  "OPENBLAS_NUM_THREADS", NULL
};

/* PYISOLATE_TRANSPORT=dbus is for comparing the two ways, and for watching every call on the open
 * one. */
gboolean
_pyisolate_worker_may_have_lanes (void)
{
  const char *transport = g_getenv ("PYISOLATE_TRANSPORT");

  if (g_strcmp0 (transport, "dbus") == 0)
    return FALSE;

  if (transport != NULL && *transport != '\0')
    g_warning_once ("PYISOLATE_TRANSPORT is “%s”, which says nothing: it can be “dbus” only", transport);
  return TRUE;
}

/* -I: no PYTHON* variables, no user site, nothing of the current directory. */
char **
_pyisolate_worker_make_argv (PyIsolateEnvironment *environment)
{
  g_autofree char *boot = _pyisolate_get_runtime_path ("worker/boot.py");
  const char *argv[] = {
    _pyisolate_environment_get_python (environment), "-I", "-X", "utf8", "-X", "faulthandler", boot, NULL
  };

  return g_strdupv ((char **) argv);
}

static char **
inherit (char       **envv,
         const char  *name)
{
  const char *value = g_getenv (name);

  return value != NULL ? g_environ_setenv (envv, name, value, TRUE) : envv;
}

/* For tests only: the library of a sanitizer has to be loaded into an interpreter that was not
 * built with it. What a Python that ends does not free is no leak of ours. */
static char **
preload_for_tests (char **envv)
{
  const char *library = g_getenv ("PYISOLATE_TEST_PRELOAD");

  if (library == NULL)
    return envv;

  envv = g_environ_setenv (envv, "LD_PRELOAD", library, TRUE);
  return g_environ_setenv (envv, "ASAN_OPTIONS",
                           "detect_leaks=0:abort_on_error=1:handle_segv=0:handle_abort=0", TRUE);
}

static char **
add_own_variables (char                    **envv,
                   PyIsolateExtensionConfig *config)
{
  const char *const *variables = pyisolate_extension_config_get_environment_variables (config);

  for (guint i = 0; variables[i] != NULL; i++)
    {
      const char *equals = strchr (variables[i], '=');
      g_autofree char *name = g_strndup (variables[i], equals - variables[i]);

      envv = g_environ_setenv (envv, name, equals + 1, TRUE);
    }

  return envv;
}

char **
_pyisolate_worker_make_envv (PyIsolateExtensionConfig *config,
                             PyIsolateEnvironment     *environment,
                             const char               *state_directory)
{
  g_autofree char *temporary = g_build_filename (state_directory, "tmp", NULL);
  g_autofree char *bin = g_build_filename (_pyisolate_environment_get_prefix (environment), "bin",
                                           NULL);
  const char *path = g_getenv ("PATH");
  g_autofree char *new_path = g_strconcat (bin, ":", path != NULL ? path : "/usr/bin:/bin", NULL);
  g_autofree char *link_fd = g_strdup_printf ("%d", PYISOLATE_WORKER_LINK_FD);
  g_autofree char *lane_fd = g_strdup_printf ("%d", PYISOLATE_WORKER_LANE_FD);
  g_auto (GStrv) all = g_listenv ();
  char **envv = g_new0 (char *, 1);

  for (guint i = 0; inherited[i] != NULL; i++)
    envv = inherit (envv, inherited[i]);
  for (guint i = 0; all[i] != NULL; i++)
    {
      if (g_str_has_prefix (all[i], "LC_"))
        envv = inherit (envv, all[i]);
    }

  envv = g_environ_setenv (envv, "PATH", new_path, TRUE);
  envv = g_environ_setenv (envv, "HOME", state_directory, TRUE);
  envv = g_environ_setenv (envv, "TMPDIR", temporary, TRUE);
  envv = preload_for_tests (envv);
  envv = add_own_variables (envv, config);
  envv = g_environ_setenv (envv, "PYISOLATE_LINK_FD", link_fd, TRUE);
  if (_pyisolate_worker_may_have_lanes ())
    envv = g_environ_setenv (envv, "PYISOLATE_LANE_FD", lane_fd, TRUE);

  return envv;
}
