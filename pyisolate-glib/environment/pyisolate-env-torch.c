/* SPDX-License-Identifier: MIT */
/* Lends an environment the torch of another one: the host's, or one that it names.
 *
 * torch itself and what it requires are linked, file by file where a directory holds more than
 * that; the environment's own packages come first on its path, and whatever else the other
 * environment has stays out of it. uv resolves the extension's requirements as if torch, in that
 * very version, needed nothing: what the extension needs for itself it gets for itself, in
 * versions that torch can use, and torch is not among what is installed.
 *
 * What was read of a torch is kept for as long as the list of its files stays the same.
 */
#include "config.h"

#include "pyisolate-env-torch-private.h"

#include "pyisolate-env-requirement-private.h"
#include "pyisolate-env-script-private.h"
#include "pyisolate-env-store-private.h"
#include "pyisolate-env-tree-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_TIMEOUT 60000

void
_pyisolate_env_torch_free (PyIsolateEnvTorch *self)
{
  g_free (self->site);
  g_free (self->version);
  g_free (self->record);
  g_free (self->index);
  g_free (self->constraints);
  g_strfreev (self->closure);
  g_free (self);
}

/* The names of directories that vouch for a torch; a half-removed one leaves two. */
static char **
list_dist_infos (const char *site)
{
  g_auto (GStrv) names = _pyisolate_env_store_list_names (site, "torch-");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      if (g_str_has_suffix (names[i], ".dist-info"))
        g_strv_builder_add (builder, names[i]);
    }

  return g_strv_builder_end (builder);
}

/* A prefix, or the directory of packages itself. */
static char *
find_site (const char                     *directory,
           const PyIsolateEnvInterpreter  *interpreter,
           char                          **record,
           GError                        **error)
{
  g_autofree char *minor = _pyisolate_env_interpreter_dup_minor (interpreter);
  g_autofree char *versioned = g_strconcat ("lib/python", minor, "/site-packages", NULL);
  g_autofree char *versioned64 = g_strconcat ("lib64/python", minor, "/site-packages", NULL);
  const char *places[] = { "", versioned, versioned64, "lib/python3/dist-packages" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *path = g_build_filename (directory, places[i], NULL);
      g_autofree char *site = realpath (path, NULL);
      g_auto (GStrv) names = site != NULL ? list_dist_infos (site) : NULL;

      if (names == NULL || names[0] == NULL)
        continue;
      if (names[1] != NULL)
        {
          g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                       "Cannot share the torch of “%s”: it has both %s and %s", site, names[0],
                       names[1]);
          return NULL;
        }
      *record = g_build_filename (site, names[0], "RECORD", NULL);
      return g_strdup (site);
    }

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
               "Cannot share the torch of “%s”: there is none for Python %s", directory, minor);
  return NULL;
}

static char *
make_folder_name (const char                     *record,
                  const PyIsolateEnvInterpreter  *interpreter,
                  GError                        **error)
{
  g_autofree char *id = NULL, *digest = NULL;
  PyIsolateEnvFileId file_id;

  if (!_pyisolate_env_file_id (record, &file_id))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "Cannot share a torch that was not installed from a wheel: there is no %s",
                   record);
      return NULL;
    }

  id = g_strdup_printf ("torch 1\n%s\n%" G_GINT64_FORMAT "\n%" G_GUINT64_FORMAT "\n%s\n%s", record,
                        file_id.mtime, file_id.size, interpreter->path, interpreter->abi);
  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, id, -1);
  return g_strndup (digest, 32);
}

static PyIsolateEnvTorch *
load (const char *folder,
      const char *site)
{
  g_autofree char *path = g_build_filename (folder, "torch.json", NULL);
  g_autoptr (JsonObject) object = _pyisolate_env_read_json (path, NULL);
  g_autoptr (PyIsolateEnvTorch) self = g_new0 (PyIsolateEnvTorch, 1);

  if (object == NULL)
    return NULL;
  self->site = g_strdup (site);
  self->version = g_strdup (_pyisolate_env_json_string (object, "version"));
  self->record = g_strdup (_pyisolate_env_json_string (object, "record"));
  self->closure = _pyisolate_env_json_strv (object, "closure");
  self->index = g_build_filename (folder, "index", NULL);
  self->constraints = g_build_filename (folder, "constraints", NULL);
  if (self->version == NULL || self->record == NULL)
    return NULL;

  return g_steal_pointer (&self);
}

static gboolean
save (const PyIsolateEnvTorch  *self,
      const char               *folder,
      GError                  **error)
{
  g_autofree char *path = g_build_filename (folder, "torch.json", NULL);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  _pyisolate_env_json_add_string (builder, "version", self->version);
  _pyisolate_env_json_add_string (builder, "record", self->record);
  _pyisolate_env_json_add_strv (builder, "closure", (const char *const *) self->closure);
  json_builder_end_object (builder);

  return _pyisolate_env_write_json (path, builder, error);
}

/* What read-torch.py says; it fills @folder. */
static JsonObject *
run_reader (const PyIsolateEnvInterpreter  *interpreter,
            const char                     *site,
            const char                     *folder,
            GCancellable                   *cancellable,
            GError                        **error)
{
  const char *const arguments[] = { site, folder, NULL };
  g_autofree char *complaint = g_strdup_printf ("Cannot read the torch of “%s”", site);
  PyIsolateEnvScript script = {
    .name = "read-torch.py",
    .python = interpreter->path,
    .arguments = arguments,
    .lock_fd = -1,
    .timeout = READ_TIMEOUT,
    .error_code = PYISOLATE_ERROR_ENVIRONMENT,
    .complaint = complaint,
  };

  return _pyisolate_env_script_read (&script, cancellable, error);
}

/* Names of torch and of what it requires: uv knows which markers hold. */
static char **
resolve_closure (const PyIsolateEnvironmentRequest  *request,
                 const PyIsolateEnvInterpreter      *interpreter,
                 const char                         *site,
                 const char                         *folder,
                 GCancellable                       *cancellable,
                 GError                            **error)
{
  g_autofree char *links = g_build_filename (folder, "links", NULL);
  g_autofree char *pins = g_build_filename (folder, "pins", NULL);
  const char *const argv[] = { "pip", "compile", "-", "--no-config", "--no-index",
                               "--find-links", links, "--constraint", pins, "--no-header",
                               "--no-annotate", "--python", interpreter->path, NULL };
  g_autoptr (PyIsolateEnvUv) uv = _pyisolate_env_uv_new (request, error);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  g_auto (GStrv) lines = NULL, unsorted = NULL;
  g_autofree char *out = NULL;

  if (uv == NULL)
    return NULL;
  if (!_pyisolate_env_uv_run (uv, argv, "torch\n", -1, NULL, &out, cancellable, error))
    {
      g_prefix_error (error, "The torch of “%s” lacks what it requires: ", site);
      return NULL;
    }

  lines = _pyisolate_env_lock_file_split (out);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *name = _pyisolate_env_requirement_dup_name (lines[i]);

      if (name != NULL)
        g_strv_builder_add (names, name);
    }
  unsorted = g_strv_builder_end (names);
  return _pyisolate_env_strv_normalize ((const char *const *) unsorted);
}

/* Fills @folder, which is new and nobody else's. */
static gboolean
read_into (const PyIsolateEnvironmentRequest  *request,
           const PyIsolateEnvInterpreter      *interpreter,
           const char                         *site,
           const char                         *folder,
           GCancellable                       *cancellable,
           GError                            **error)
{
  g_autoptr (JsonObject) said = run_reader (interpreter, site, folder, cancellable, error);
  g_autoptr (PyIsolateEnvTorch) torch = g_new0 (PyIsolateEnvTorch, 1);

  if (said == NULL)
    return FALSE;
  if (_pyisolate_env_json_string (said, "problem") != NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "Cannot share the torch of “%s”: %s", site,
                   _pyisolate_env_json_string (said, "problem"));
      return FALSE;
    }

  torch->version = g_strdup (_pyisolate_env_json_string (said, "version"));
  torch->record = g_strdup (_pyisolate_env_json_string (said, "record"));
  torch->closure = resolve_closure (request, interpreter, site, folder, cancellable, error);
  return torch->closure != NULL && save (torch, folder, error);
}

static gboolean
make_folder (const PyIsolateEnvironmentRequest  *request,
             const PyIsolateEnvInterpreter      *interpreter,
             const char                         *site,
             const char                         *folder,
             GCancellable                       *cancellable,
             GError                            **error)
{
  g_autofree char *parent = g_path_get_dirname (folder);
  g_autofree char *template = g_build_filename (parent, ".new-XXXXXX", NULL);
  gboolean made;

  if (g_mkdir_with_parents (parent, 0700) != 0 || g_mkdtemp_full (template, 0755) == NULL)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot make a directory in", parent);
      return FALSE;
    }

  made = read_into (request, interpreter, site, template, cancellable, error);
  /* Somebody else may have been faster; what he made is the same. */
  if (!made || rename (template, folder) != 0)
    _pyisolate_env_tree_remove (template, NULL);
  return made;
}

PyIsolateEnvTorch *
_pyisolate_env_torch_find (const PyIsolateEnvironmentRequest  *request,
                           const PyIsolateEnvInterpreter      *interpreter,
                           gboolean                            may_run,
                           GCancellable                       *cancellable,
                           GError                            **error)
{
  g_autofree char *record = NULL, *name = NULL, *folder = NULL;
  g_autofree char *site = find_site (request->torch_environment, interpreter, &record, error);
  PyIsolateEnvTorch *self;

  name = site != NULL ? make_folder_name (record, interpreter, error) : NULL;
  if (name == NULL)
    return NULL;

  folder = _pyisolate_env_store_path (request->venv_root, "torch", name);
  self = load (folder, site);
  if (self != NULL)
    return self;
  if (!may_run)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "%s was not read yet", site);
      return NULL;
    }

  if (!make_folder (request, interpreter, site, folder, cancellable, error))
    return NULL;
  self = load (folder, site);
  if (self == NULL)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT, "Cannot read %s", folder);
  return self;
}

char **
_pyisolate_env_torch_dup_lent (const PyIsolateEnvTorch *self,
                               const char              *lock_text)
{
  g_autoptr (GHashTable) own = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GStrvBuilder) lent = g_strv_builder_new ();
  g_auto (GStrv) lines = _pyisolate_env_lock_file_split (lock_text);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *name = _pyisolate_env_requirement_dup_name (lines[i]);

      if (name != NULL)
        g_hash_table_add (own, name);
    }
  for (guint i = 0; self->closure[i] != NULL; i++)
    {
      if (!g_hash_table_contains (own, self->closure[i]))
        g_strv_builder_add (lent, self->closure[i]);
    }

  return g_strv_builder_end (lent);
}
