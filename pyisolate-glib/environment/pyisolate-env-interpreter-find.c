/* SPDX-License-Identifier: MIT */
/* From what the configuration calls a Python to the program that it means.
 *
 * A path is that program. A command is looked up on PATH, where scripts are passed over: a
 * version manager's shim runs one thing here and another there. If it is a shim, the
 * interpreters that it chooses from are looked at. A version is looked for by its command names;
 * a specifier, and a version that is not there, is uv's to find. What uv found is remembered.
 */
#include "config.h"

#include "pyisolate-env-interpreter-private.h"

#include "pyisolate-env-util-private.h"
#include "pyisolate-env-uv-private.h"
#include "pyisolate-error.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum {
  SPEC_PATH,
  SPEC_VERSION,
  SPEC_SPECIFIER,
  SPEC_COMMAND,
} SpecKind;

static SpecKind
classify (const char *spec)
{
  if (strchr (spec, '/') != NULL)
    return SPEC_PATH;
  if (strspn (spec, "0123456789.") == strlen (spec))
    return SPEC_VERSION;
  if (strchr ("<>=!~", *spec) != NULL)
    return SPEC_SPECIFIER;
  return SPEC_COMMAND;
}

/* Compares "versions/3.9.18" before "versions/3.11.7", newest first. */
static int
compare_versions_descending (gconstpointer a,
                             gconstpointer b)
{
  g_autofree char *key_a = g_utf8_collate_key_for_filename (*(const char *const *) a, -1);
  g_autofree char *key_b = g_utf8_collate_key_for_filename (*(const char *const *) b, -1);

  return strcmp (key_b, key_a);
}

/* PATH has DIR/shims/NAME: the real ones are DIR/versions/…/bin/NAME. */
static void
add_behind_shim (GPtrArray  *found,
                 const char *shims,
                 const char *name,
                 int        *problem)
{
  g_autofree char *parent = g_path_get_dirname (shims);
  g_autofree char *versions = g_build_filename (parent, "versions", NULL);
  g_autoptr (GPtrArray) programs = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (versions, 0, NULL);
  const char *version;

  while (dir != NULL && (version = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (versions, version, "bin", name, NULL);

      if (_pyisolate_env_is_program (file, problem))
        g_ptr_array_add (programs, g_steal_pointer (&file));
    }
  g_ptr_array_sort (programs, compare_versions_descending);
  g_ptr_array_extend_and_steal (found, g_steal_pointer (&programs));
}

static gboolean
is_shims_directory (const char *directory)
{
  g_autofree char *base = g_path_get_basename (directory);

  return g_str_equal (base, "shims");
}

GPtrArray *
_pyisolate_env_interpreter_find (const char *name,
                                 int        *problem)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);
  const char *path = g_getenv ("PATH");
  g_auto (GStrv) directories = g_strsplit (path != NULL ? path : "/usr/local/bin:/usr/bin:/bin",
                                           ":", -1);

  for (guint i = 0; directories[i] != NULL; i++)
    {
      g_autofree char *file = g_build_filename (directories[i], name, NULL);

      if (g_path_is_absolute (file) && _pyisolate_env_is_program (file, problem))
        g_ptr_array_add (found, g_steal_pointer (&file));
    }
  /* The shims' own choice depends on the directory that one is in; so real programs on PATH come
   * before. */
  for (guint i = 0; directories[i] != NULL; i++)
    {
      if (is_shims_directory (directories[i]))
        add_behind_shim (found, directories[i], name, problem);
    }

  return found;
}

/* PATH for uv: no shims, the default interpreter first, those behind shims last. */
static char *
build_search_path (const char *default_python)
{
  const char *path = g_getenv ("PATH");
  g_auto (GStrv) directories = g_strsplit (path != NULL ? path : "/usr/local/bin:/usr/bin:/bin",
                                           ":", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GPtrArray) behind = _pyisolate_env_interpreter_find ("python3", NULL);
  g_auto (GStrv) all = NULL;

  if (default_python != NULL)
    {
      g_autofree char *directory = g_path_get_dirname (default_python);

      g_strv_builder_add (builder, directory);
    }
  for (guint i = 0; directories[i] != NULL; i++)
    {
      if (!is_shims_directory (directories[i]))
        g_strv_builder_add (builder, directories[i]);
    }
  for (guint i = 0; i < behind->len; i++)
    {
      g_autofree char *directory = g_path_get_dirname (g_ptr_array_index (behind, i));

      g_strv_builder_add (builder, directory);
    }

  all = g_strv_builder_end (builder);
  return g_strjoinv (":", all);
}

static PyIsolateEnvInterpreter *
query_found (const char    *path,
             const char    *cache_directory,
             gboolean       may_run,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autofree char *real = realpath (path, NULL);

  return _pyisolate_env_interpreter_query (real != NULL ? real : path, cache_directory, may_run, cancellable, error);
}

/* The path in a record that was made for the same question and still names a program, and that of the same version: the system's
 * python3 is another one after an upgrade. What cannot be told without a process stays for who may start one. NULL without an
 * error: it has to be looked for. */
static char *
read_found (const char    *record,
            const char    *cache_directory,
            gboolean       may_run,
            GCancellable  *cancellable,
            GError       **error_of_record)
{
  g_autoptr (JsonObject) object = _pyisolate_env_read_json (record, error_of_record);
  const char *path = object != NULL ? _pyisolate_env_json_string (object, "path") : NULL;
  const char *version = object != NULL ? _pyisolate_env_json_string (object, "version") : NULL;
  g_autoptr (PyIsolateEnvInterpreter) interpreter = NULL;
  g_autoptr (GError) error = NULL;

  if (path == NULL || version == NULL || access (path, X_OK) != 0)
    return NULL;

  interpreter = query_found (path, cache_directory, may_run, cancellable, &error);
  if (interpreter == NULL ? error->domain != G_IO_ERROR : !g_str_equal (interpreter->version, version))
    return NULL;

  return g_strdup (path);
}

/* So that nobody has to look for it again. */
static void
write_found (const char    *record,
             const char    *path,
             const char    *cache_directory,
             GCancellable  *cancellable)
{
  g_autoptr (PyIsolateEnvInterpreter) interpreter = query_found (path, cache_directory, TRUE, cancellable, NULL);
  g_autoptr (JsonBuilder) builder = NULL;

  if (interpreter == NULL) /* who uses it is told why */
    return;

  builder = json_builder_new ();
  json_builder_begin_object (builder);
  _pyisolate_env_json_add_string (builder, "path", path);
  _pyisolate_env_json_add_string (builder, "version", interpreter->version);
  json_builder_end_object (builder);
  _pyisolate_env_note_json (record, builder, NULL);
}

static char *
ask_uv (const PyIsolateEnvironmentRequest  *request,
        const char                         *spec,
        const char                         *search_path,
        GCancellable                       *cancellable,
        GError                            **error)
{
  const char *const argv[] = { "python", "find", "--no-project", "--system", spec, NULL };
  g_autoptr (PyIsolateEnvUv) uv = _pyisolate_env_uv_new (request, error);
  g_autoptr (GError) local_error = NULL;
  g_autofree char *out = NULL;

  if (uv == NULL)
    return NULL;

  uv->environment = g_environ_setenv (uv->environment, "PATH", search_path, TRUE);
  if (g_environ_getenv (uv->environment, "UV_PYTHON_PREFERENCE") == NULL)
    uv->environment = g_environ_setenv (uv->environment, "UV_PYTHON_PREFERENCE", "system", TRUE);
  if (!_pyisolate_env_uv_run (uv, argv, NULL, -1, NULL, &out, cancellable, &local_error))
    {
      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_propagate_error (error, g_steal_pointer (&local_error));
      else
        g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                     "There is no Python %s here: %s%s",
                     spec, local_error->message,
                     g_error_matches (local_error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND)
                     ? "\n“uv python install” may fetch one" : "");
      return NULL;
    }

  return g_strdup (g_strstrip (out));
}

static char *
find_with_uv (const PyIsolateEnvironmentRequest  *request,
              const char                         *spec,
              const char                         *cache_directory,
              const char                         *default_python,
              gboolean                            may_run,
              GCancellable                       *cancellable,
              GError                            **error)
{
  g_autofree char *search_path = build_search_path (default_python);
  g_autofree char *question = g_strdup_printf ("find 2\n%s\n%s", spec, search_path);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, question, -1);
  g_autofree char *name = g_strdup_printf ("found-%.32s.json", digest);
  g_autofree char *record = g_build_filename (cache_directory, name, NULL);
  g_autoptr (GError) local_error = NULL;
  char *path = read_found (record, cache_directory, may_run, cancellable, &local_error);

  if (path != NULL)
    return path;
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (!may_run)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "Python %s was not looked for yet",
                   spec);
      return NULL;
    }

  path = ask_uv (request, spec, search_path, cancellable, error);
  if (path != NULL)
    write_found (record, path, cache_directory, cancellable);

  return path;
}

static gboolean
version_fits (const char *version,
              const char *wanted)
{
  gsize length = strlen (wanted);

  return strncmp (version, wanted, length) == 0 &&
         (version[length] == '\0' || version[length] == '.');
}

/* The first of those called pythonX.Y, pythonX or python that is that version and usable. */
static PyIsolateEnvInterpreter *
find_version (const char    *wanted,
              const char    *cache_directory,
              gboolean       may_run,
              GCancellable  *cancellable,
              GError       **error)
{
  g_auto (GStrv) parts = g_strsplit (wanted, ".", -1);
  g_autofree char *major = g_strdup_printf ("python%s", parts[0] != NULL ? parts[0] : "");
  g_autofree char *minor = NULL;
  const char *names[3] = { major };

  if (parts[0] != NULL && parts[1] != NULL)
    {
      minor = g_strdup_printf ("%s.%s", major, parts[1]);
      names[0] = minor;
      names[1] = major;
    }

  for (guint i = 0; names[i] != NULL; i++)
    {
      int problem = 0;
      g_autoptr (GPtrArray) programs = _pyisolate_env_interpreter_find (names[i], &problem);

      if (problem != 0)
        {
          _pyisolate_env_set_errno (error, problem, "Cannot look for", names[i]);
          return NULL;
        }
      for (guint j = 0; j < programs->len; j++)
        {
          g_autoptr (GError) local_error = NULL;
          g_autoptr (PyIsolateEnvInterpreter) self = NULL;

          self = _pyisolate_env_interpreter_query (g_ptr_array_index (programs, j), cache_directory,
                                                   may_run, cancellable,
                                                   &local_error);
          if (self != NULL && version_fits (self->version, wanted))
            return g_steal_pointer (&self);
          if (self == NULL && local_error->domain == G_IO_ERROR)
            {
              g_propagate_error (error, g_steal_pointer (&local_error));
              return NULL;
            }
        }
    }

  return NULL;
}

static char *
find_command (const char  *name,
              GError     **error)
{
  int problem = 0;
  g_autoptr (GPtrArray) programs = _pyisolate_env_interpreter_find (name, &problem);

  if (problem != 0)
    {
      _pyisolate_env_set_errno (error, problem, "Cannot look for", name);
      return NULL;
    }
  if (programs->len > 0)
    return g_strdup (g_ptr_array_index (programs, 0));

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
               "There is no program %s on PATH (scripts do not count); set python to the absolute "
               "path of an interpreter",
               name);
  return NULL;
}

static gboolean
check_path (const char  *path,
            GError     **error)
{
  if (!g_path_is_absolute (path))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The path of the Python interpreter must be absolute, not “%s”", path);
      return FALSE;
    }
  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR) || access (path, X_OK) != 0)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND,
                   "There is no Python interpreter %s", path);
      return FALSE;
    }

  return TRUE;
}

static const char *
request_spec (const PyIsolateEnvironmentRequest *request)
{
  if (request->python != NULL && *request->python != '\0')
    return request->python;
  if (request->default_python != NULL && *request->default_python != '\0')
    return request->default_python;
  return "python3";
}

gboolean
_pyisolate_env_interpreter_check (const PyIsolateEnvironmentRequest  *request,
                                  GError                            **error)
{
  const char *spec = request_spec (request);
  g_autofree char *path = NULL;

  if (*spec == '-' || strpbrk (spec, "\n\r") != NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "“%s” does not name a Python", spec);
      return FALSE;
    }

  switch (classify (spec))
    {
    case SPEC_PATH:
      return check_path (spec, error);
    case SPEC_COMMAND:
      path = find_command (spec, error);
      return path != NULL;
    case SPEC_VERSION:
    case SPEC_SPECIFIER:
    default:
      return TRUE;
    }
}

static char *
default_program (const PyIsolateEnvironmentRequest *request)
{
  const char *name = request->default_python != NULL ? request->default_python : "python3";

  return strchr (name, '/') != NULL ? g_strdup (name) : find_command (name, NULL);
}

PyIsolateEnvInterpreter *
_pyisolate_env_interpreter_resolve (const PyIsolateEnvironmentRequest  *request,
                                    gboolean                            may_run,
                                    GCancellable                       *cancellable,
                                    GError                            **error)
{
  const char *spec = request_spec (request);
  g_autofree char *cache = g_build_filename (request->venv_root, "interpreters", NULL);
  g_autofree char *program = NULL, *found = NULL, *real = NULL;
  g_autoptr (GError) local_error = NULL;

  if (!_pyisolate_env_interpreter_check (request, error))
    return NULL;

  switch (classify (spec))
    {
    case SPEC_PATH:
      found = g_strdup (spec);
      break;
    case SPEC_COMMAND:
      found = find_command (spec, error);
      break;
    case SPEC_VERSION:
      {
        PyIsolateEnvInterpreter *self = find_version (spec, cache, may_run, cancellable,
                                                      &local_error);

        if (self != NULL)
          return self;
        if (local_error != NULL)
          {
            g_propagate_error (error, g_steal_pointer (&local_error));
            return NULL;
          }
      }
      G_GNUC_FALLTHROUGH;
    case SPEC_SPECIFIER:
    default:
      program = default_program (request);
      found = find_with_uv (request, spec, cache, program, may_run, cancellable, error);
      break;
    }
  if (found == NULL)
    return NULL;

  /* The program behind links: a virtual environment's python is its base interpreter then. */
  real = realpath (found, NULL);
  return _pyisolate_env_interpreter_query (real != NULL ? real : found, cache, may_run, cancellable,
                                           error);
}
