/* SPDX-License-Identifier: MIT */
/* Whether an interpreter that somebody else has chosen is one that the extension itself says that it can run with.
 *
 * What a version specifier (PEP 440) means is uv's to say: it refuses to lock a project that has the same requires-python, of
 * which it needs no network and nothing else. What fitted once is remembered, so that a warm start runs no uv. */
#include "config.h"

#include "pyisolate-env-interpreter-private.h"

#include "pyisolate-env-util-private.h"
#include "pyisolate-env-uv-private.h"
#include "pyisolate-error.h"

#include <errno.h>
#include <glib/gstdio.h>

static char *
get_record (const PyIsolateEnvironmentRequest *request,
            const PyIsolateEnvInterpreter     *interpreter)
{
  g_autofree char *question = g_strdup_printf ("fits 1\n%s\n%s", request->requires_python, interpreter->version);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, question, -1);
  g_autofree char *name = g_strdup_printf ("fits-%.32s.json", digest);

  return g_build_filename (request->venv_root, "interpreters", name, NULL);
}

/* A string of JSON is one of TOML. With a table of its own for a workspace it is part of none: there may be one around the directory
 * for temporary files. */
static char *
make_project (const char *requires_python)
{
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), requires_python);
  g_autofree char *quoted = json_to_string (node, FALSE);

  return g_strdup_printf ("[project]\nname = \"extension\"\nversion = \"0\"\nrequires-python = %s\n"
                          "[tool.uv.workspace]\n", quoted);
}

/* Where there can be no temporary files, beside the record; what is left there goes with a prune. */
static char *
make_directory (const PyIsolateEnvironmentRequest  *request,
                GError                            **error)
{
  g_autofree char *beside = g_build_filename (request->venv_root, "interpreters", ".asking-XXXXXX", NULL);
  char *directory = g_dir_make_tmp ("pyisolate-XXXXXX", NULL);

  if (directory != NULL)
    return directory;
  if (g_mkdtemp_full (beside, 0700) != NULL)
    return g_steal_pointer (&beside);

  _pyisolate_env_set_errno (error, errno, "Cannot make the directory", beside);
  return NULL;
}

/* In a directory with a project of nothing else. */
static gboolean
ask_uv (const PyIsolateEnvironmentRequest  *request,
        const PyIsolateEnvInterpreter      *interpreter,
        const char                         *directory,
        GCancellable                       *cancellable,
        GError                            **error)
{
  const char *const argv[] = { "lock", "--dry-run", "--offline", "--python", interpreter->path, NULL };
  g_autoptr (PyIsolateEnvUv) uv = _pyisolate_env_uv_new (request, error);
  g_autofree char *path = g_build_filename (directory, "pyproject.toml", NULL);
  g_autofree char *text = make_project (request->requires_python);
  g_autoptr (GError) local_error = NULL;
  gboolean fits = FALSE;

  if (uv == NULL || !g_file_set_contents (path, text, -1, error))
    return FALSE;

  uv->project = directory;
  fits = _pyisolate_env_uv_run (uv, argv, NULL, -1, NULL, NULL, cancellable, &local_error);
  g_unlink (path);
  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (!fits)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                 "The extension needs Python %s (requires-python), and %s, which was chosen for it, is Python %s: %s",
                 request->requires_python, interpreter->path, interpreter->version, local_error->message);

  return fits;
}

gboolean
_pyisolate_env_interpreter_check_required (const PyIsolateEnvironmentRequest  *request,
                                           const PyIsolateEnvInterpreter      *interpreter,
                                           GCancellable                       *cancellable,
                                           GError                            **error)
{
  g_autofree char *record = NULL;
  g_autofree char *directory = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  gboolean fits;

  if (request->requires_python == NULL || g_strcmp0 (request->python, request->requires_python) == 0)
    return TRUE; /* that is how it was found */
  record = get_record (request, interpreter);
  if (g_file_test (record, G_FILE_TEST_EXISTS))
    return TRUE;

  directory = make_directory (request, error);
  if (directory == NULL)
    return FALSE;
  fits = ask_uv (request, interpreter, directory, cancellable, error);
  g_rmdir (directory);
  if (!fits)
    return FALSE;

  builder = json_builder_new ();
  json_builder_begin_object (builder);
  _pyisolate_env_json_add_string (builder, "requires-python", request->requires_python);
  _pyisolate_env_json_add_string (builder, "version", interpreter->version);
  json_builder_end_object (builder);
  _pyisolate_env_note_json (record, builder, NULL);

  return TRUE;
}
