/* SPDX-License-Identifier: MIT */
/* An environment that somebody else has damaged: a cleaner of caches, a full disk, a hand.
 *
 * A start does not look at every file. But an import that fails for a missing file is reason enough
 * to, and if files are missing or changed the environment is made again, once, and the extension
 * told of it. */
#include "config.h"

#include "pyisolate-mend-private.h"

#include "pyisolate-error.h"
#include "pyisolate-remote-exception.h"

gboolean
_pyisolate_mend_may_help (const GError *error)
{
  static const char *const types[] = {
    "ImportError", "ModuleNotFoundError", "FileNotFoundError", "OSError", "SyntaxError", "EOFError", NULL
  };
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  if (!g_error_matches (error, PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED))
    return FALSE;

  for (exception = pyisolate_error_dup_remote_exception (error); exception != NULL;)
    {
      PyIsolateRemoteException *cause = pyisolate_remote_exception_get_cause (exception);

      if (g_strv_contains (types, pyisolate_remote_exception_get_type_name (exception)))
        return TRUE;
      if (cause == NULL)
        cause = pyisolate_remote_exception_get_context (exception);
      g_set_object (&exception, cause);
    }

  return FALSE;
}

/* Files that are there besides do no harm to an import. */
static char *
describe_damage (GPtrArray *problems)
{
  guint n_damaged = 0;
  const PyIsolateEnvironmentProblem *first = NULL;

  for (guint i = 0; i < problems->len; i++)
    {
      const PyIsolateEnvironmentProblem *problem = g_ptr_array_index (problems, i);

      if (problem->kind == PYISOLATE_ENVIRONMENT_PROBLEM_EXTRA)
        continue;
      if (first == NULL)
        first = problem;
      n_damaged++;
    }

  if (first == NULL)
    return NULL;

  return g_strdup_printf ("%u of its files are missing or changed, such as %s (%s)", n_damaged,
                          first->path, _pyisolate_environment_problem_kind_to_string (first->kind));
}

/* What a start would get now, if that is another one: of two that fail for one damage, the second comes when it is mended. */
static PyIsolateEnvironment *
find_successor (const PyIsolateEnvironmentRequest *request,
                PyIsolateEnvironment              *failed,
                PyIsolateEnvironmentProgressFunc   progress,
                gpointer                           user_data,
                GCancellable                      *cancellable)
{
  g_autoptr (PyIsolateEnvironment) now =
    _pyisolate_environment_ensure (request, progress, user_data, cancellable, NULL);

  if (now == NULL || g_str_equal (_pyisolate_environment_get_prefix (now), _pyisolate_environment_get_prefix (failed)))
    return NULL;

  return g_steal_pointer (&now);
}

PyIsolateEnvironment *
_pyisolate_mend_environment (const PyIsolateEnvironmentRequest  *request,
                             PyIsolateEnvironment               *failed,
                             char                              **damage,
                             PyIsolateEnvironmentProgressFunc    progress,
                             gpointer                            user_data,
                             GCancellable                       *cancellable,
                             GError                            **error)
{
  const char *key = _pyisolate_environment_get_key (failed);
  g_autoptr (GPtrArray) problems = NULL;
  PyIsolateEnvironment *successor;

  *damage = NULL;
  successor = find_successor (request, failed, progress, user_data, cancellable);
  if (successor != NULL)
    return successor;

  problems = _pyisolate_environment_verify (request->venv_root, key, cancellable, error);
  if (problems == NULL)
    return NULL;

  *damage = describe_damage (problems);
  if (*damage == NULL)
    return NULL;

  return _pyisolate_environment_repair (request, key, progress, user_data, cancellable, error);
}
