/* SPDX-License-Identifier: MIT */
/* Asks a base interpreter what it is, and remembers the answer for as long as its file stays the
 * same. */
#include "config.h"

#include "pyisolate-env-interpreter-private.h"

#include "pyisolate-env-script-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-env-uv-private.h"
#include "pyisolate-error.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUERY_TIMEOUT 30000

void
_pyisolate_env_interpreter_free (PyIsolateEnvInterpreter *self)
{
  g_free (self->path);
  g_free (self->version);
  g_free (self->abi);
  g_free (self);
}

char *
_pyisolate_env_interpreter_dup_minor (const PyIsolateEnvInterpreter *self)
{
  return g_strndup (self->version, strrchr (self->version, '.') - self->version);
}

/* From what the query printed, or a record of it; NULL with PYTHON_NOT_FOUND if we cannot use
 * it. */
static PyIsolateEnvInterpreter *
interpreter_from_json (JsonObject  *object,
                       const char  *asked,
                       GError     **error)
{
  g_autoptr (PyIsolateEnvInterpreter) self = g_new0 (PyIsolateEnvInterpreter, 1);
  const char *implementation = _pyisolate_env_json_string (object, "implementation");
  JsonNode *free_threaded = json_object_get_member (object, "free_threaded");
  unsigned int major = 0, minor = 0, micro = 0;

  self->path = g_strdup (_pyisolate_env_json_string (object, "executable"));
  self->version = g_strdup (_pyisolate_env_json_string (object, "version"));
  self->abi = g_strdup (_pyisolate_env_json_string (object, "abi"));
  if (self->path == NULL || self->abi == NULL || implementation == NULL || self->version == NULL ||
      sscanf (self->version, "%3u.%3u.%3u", &major, &minor, &micro) != 3)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                   "%s is not a Python interpreter", asked);
      return NULL;
    }

  if (major != 3 || minor < 9)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                 "%s is Python %s; extensions need Python 3.9 or later", asked, self->version);
  else if (g_ascii_strcasecmp (implementation, "cpython") != 0)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                 "%s is %s %s; extensions need CPython", asked, implementation, self->version);
  else if (free_threaded == NULL || !JSON_NODE_HOLDS_VALUE (free_threaded) ||
           json_node_get_boolean (free_threaded))
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                 "%s is a free-threaded build of Python %s, without a GIL; extensions need an "
                 "ordinary build",
                 asked, self->version);
  else
    return g_steal_pointer (&self);

  return NULL;
}

static void
remember (const char *record,
          JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  json_node_set_object (node, object);
  text = json_to_string (node, TRUE);
  /* Only a cache: without it the next start asks again. */
  if (!_pyisolate_env_write_file (record, text, &error))
    g_debug ("%s", error->message);
}

static JsonObject *
run_query (const char    *path,
           GCancellable  *cancellable,
           GError       **error)
{
  g_autofree char *complaint =
    g_strdup_printf ("%s does not answer as a Python interpreter", path);
  PyIsolateEnvScript script = {
    .name = "query-interpreter.py",
    .python = path,
    .lock_fd = -1,
    .timeout = QUERY_TIMEOUT,
    .error_code = PYISOLATE_ERROR_PYTHON_NOT_FOUND,
    .complaint = complaint,
  };

  return _pyisolate_env_script_read (&script, cancellable, error);
}

PyIsolateEnvInterpreter *
_pyisolate_env_interpreter_query (const char    *path,
                                  const char    *cache_directory,
                                  gboolean       may_run,
                                  GCancellable  *cancellable,
                                  GError       **error)
{
  g_autofree char *id = NULL, *digest = NULL, *name = NULL, *record = NULL;
  g_autoptr (JsonObject) object = NULL;
  g_autoptr (PyIsolateEnvInterpreter) self = NULL;
  PyIsolateEnvFileId file_id;

  if (!_pyisolate_env_file_id (path, &file_id) || access (path, X_OK) != 0)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                   "There is no program %s", path);
      return NULL;
    }

  id = g_strdup_printf ("query 1\n%s\n%" G_GINT64_FORMAT "\n%" G_GUINT64_FORMAT, path,
                        file_id.mtime, file_id.size);
  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, id, -1);
  name = g_strdup_printf ("%.32s.json", digest);
  record = cache_directory != NULL ? g_build_filename (cache_directory, name, NULL) : NULL;

  object = record != NULL ? _pyisolate_env_read_json (record, NULL) : NULL;
  if (object != NULL)
    self = interpreter_from_json (object, path, NULL);
  if (self != NULL)
    return g_steal_pointer (&self);
  if (!may_run)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "%s was not asked yet", path);
      return NULL;
    }

  g_clear_pointer (&object, json_object_unref);
  object = run_query (path, cancellable, error);
  if (object == NULL)
    return NULL;

  self = interpreter_from_json (object, path, error);
  /* Only a program is known by its file; what a script runs can change any time. A refusal is
   * not worth remembering. */
  if (self != NULL && record != NULL && _pyisolate_env_is_program (path, NULL))
    remember (record, object);

  return g_steal_pointer (&self);
}
