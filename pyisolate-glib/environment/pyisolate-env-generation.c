/* SPDX-License-Identifier: MIT */
/* Makes one generation of an environment.
 *
 * In a directory beside its place: `uv venv`, the packages of the lock, bytecode and manifest,
 * at last the stamp. Then all of it is put on the disk, and one rename makes it a generation. A
 * kill at any moment leaves a directory that starts with ".new-", which the next maker removes,
 * or the whole. The environment's own python is never run: when uv asks it what it is, before it
 * installs, nothing is installed yet; bytecode is compiled by the base interpreter without
 * site-packages.
 */
#include "config.h"

#include "pyisolate-env-generation-private.h"

#include "pyisolate-env-manifest-private.h"
#include "pyisolate-env-requirement-private.h"
#include "pyisolate-env-script-private.h"
#include "pyisolate-env-store-private.h"
#include "pyisolate-env-tree-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  const PyIsolateEnvironmentRequest *request;
  const char *key;
  PyIsolateEnvLock *lock;
  const PyIsolateEnvInterpreter *interpreter;
  PyIsolateEnvProgress *progress;
  GCancellable *cancellable;
  PyIsolateEnvUv *uv;         /* owned */
  char *temporary;            /* owned; where it is made */
  char *final;                /* owned; where it goes */
  /* held, shared, by us and by uv: nobody sweeps it away under either */
  int lock_fd;
} Making;

static void
making_clear (Making *self)
{
  g_clear_pointer (&self->uv, _pyisolate_env_uv_free);
  _pyisolate_env_unlock (&self->lock_fd); /* a child that was forked meanwhile has the file open as well */
  g_clear_pointer (&self->temporary, g_free);
  g_clear_pointer (&self->final, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Making, making_clear)

static gboolean
make_directory (Making      *self,
                const char  *environment,
                GError     **error)
{
  g_autofree char *template = g_build_filename (environment, ".new-XXXXXX", NULL);
  g_autofree char *ours = NULL, *lock = NULL;

  if (g_mkdir_with_parents (environment, 0700) != 0 || g_mkdtemp_full (template, 0755) == NULL)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot make a directory in", environment);
      return FALSE;
    }

  self->temporary = g_steal_pointer (&template);
  ours = g_build_filename (self->temporary, PYISOLATE_ENV_OURS, NULL);
  if (mkdir (ours, 0755) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot make the directory", ours);
      return FALSE;
    }

  lock = _pyisolate_env_generation_file (self->temporary, "lock");
  self->lock_fd = _pyisolate_env_store_lock (lock, PYISOLATE_ENV_LOCK_SHARED, TRUE, FALSE, NULL,
                                             error);
  return self->lock_fd >= 0;
}

static gboolean
make_venv (Making  *self,
           GError **error)
{
  const char *const argv[] = { "venv", "--no-project", "--relocatable", "--allow-existing",
                               "--prompt", "pyisolate",
                               "--python", self->interpreter->path, self->temporary, NULL };

  return _pyisolate_env_uv_run (self->uv, argv, NULL, self->lock_fd, self->progress, NULL,
                                self->cancellable, error);
}

/* uv's own settings can send packages elsewhere (target, prefix); then nothing has come here. */
static gboolean
check_installed (Making  *self,
                 GError **error)
{
  g_autofree char *minor = _pyisolate_env_interpreter_dup_minor (self->interpreter);
  g_auto (GStrv) packages = _pyisolate_env_generation_packages (self->temporary, minor);
  g_auto (GStrv) locked = _pyisolate_env_lock_file_split (self->lock->text);

  /* In a user's own lock, markers can leave out all. */
  if (packages[0] != NULL || locked[0] == NULL || strchr (self->lock->text, ';') != NULL ||
      self->lock->is_pylock)
    return TRUE;

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
               "uv installed nothing into the environment that it was given; does your uv.toml set "
               "a target or prefix?");
  return FALSE;
}

/* What lies in a directory is built anew. uv's cache takes what it built once for right as long as the
 * project's pyproject.toml is untouched, whatever else of it has changed. */
static void
refresh_local (Making    *self,
               GPtrArray *argv)
{
  g_auto (GStrv) lines = _pyisolate_env_lock_file_split (self->lock->text);

  for (guint i = 0; !self->lock->is_pylock && lines[i] != NULL; i++)
    {
      g_autofree char *name = _pyisolate_env_requirement_dup_name (lines[i]);

      if (name == NULL || strstr (lines[i], "@ file:") == NULL)
        continue;
      g_ptr_array_add (argv, g_strdup ("--reinstall-package"));
      g_ptr_array_add (argv, g_steal_pointer (&name));
    }
}

static gboolean
install (Making  *self,
         GError **error)
{
  const char *name = _pyisolate_env_lock_file_name (self->lock->is_pylock);
  g_autofree char *file = _pyisolate_env_generation_file (self->temporary, name);
  g_autofree char *python = g_build_filename (self->temporary, "bin", "python", NULL);
  const char *const first[] = { "pip", "install", "--python", python, "--no-compile-bytecode", "-r", file };
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

  if (!_pyisolate_env_write_file (file, self->lock->text, error))
    return FALSE;
  if (*self->lock->text == '\0')
    return TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (first); i++)
    g_ptr_array_add (argv, g_strdup (first[i]));
  g_ptr_array_add (argv, g_strdup (self->lock->allow_source_builds ? "--build" : "--no-build"));
  if (!self->lock->is_pylock)
    g_ptr_array_add (argv, g_strdup ("--no-deps"));
  if (_pyisolate_env_lock_is_hashed (self->lock))
    g_ptr_array_add (argv, g_strdup ("--require-hashes"));
  refresh_local (self, argv);
  g_ptr_array_add (argv, NULL);

  return _pyisolate_env_uv_run (self->uv, (const char *const *) argv->pdata, NULL, self->lock_fd, self->progress, NULL,
                                self->cancellable, error) &&
         check_installed (self, error);
}

/* With the base interpreter, under the lock. */
static gboolean
run_script (Making                    *self,
            const char                *name,
            const char *const         *arguments,
            PyIsolateEnvLineFunc       out_line,
            const char                *complaint,
            GError                   **error)
{
  PyIsolateEnvScript script = {
    .name = name,
    .python = self->interpreter->path,
    .arguments = arguments,
    .environment = self->uv->environment,
    .launcher_path = self->request->launcher_path,
    .lock_fd = self->lock_fd,
    .timeout = -1,
    .out_line = out_line,
    .user_data = self->progress,
    .error_code = PYISOLATE_ERROR_ENVIRONMENT,
    .complaint = complaint,
  };

  return _pyisolate_env_script_run (&script, self->cancellable, error);
}

/* Links to the packages of the torch that is shared, behind the environment's own. */
static gboolean
link_torch (Making  *self,
            GError **error)
{
  PyIsolateEnvLock *lock = self->lock;
  g_autofree char *minor = _pyisolate_env_interpreter_dup_minor (self->interpreter);
  g_autofree char *python = g_strconcat ("python", minor, NULL);
  g_autofree char *folder = g_build_filename (self->temporary, "torch", NULL);
  g_autofree char *pth = g_build_filename (self->temporary, "lib", python, "site-packages",
                                           "pyisolate-torch.pth", NULL);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) arguments = NULL;
  g_autofree char *complaint = NULL;

  if (lock->torch_site == NULL)
    return TRUE;

  g_strv_builder_add_many (builder, lock->torch_site, lock->torch_record, folder, pth, NULL);
  g_strv_builder_addv (builder, (const char **) lock->torch_lent);
  arguments = g_strv_builder_end (builder);
  complaint = g_strdup_printf ("Cannot share the torch of “%s”", lock->torch_site);

  return run_script (self, "link-torch.py", (const char *const *) arguments, NULL, complaint,
                     error);
}

static void
on_finish_line (const char *line,
                gpointer    user_data)
{
  _pyisolate_env_progress_parse (user_data, line);
}

/* Bytecode and manifest. */
static gboolean
finish (Making  *self,
        GError **error)
{
  g_autofree char *manifest = _pyisolate_env_generation_file (self->temporary, "manifest");
  const char *const arguments[] = { self->temporary, self->final, manifest, NULL };

  return run_script (self, "finish-generation.py", arguments, on_finish_line,
                     "Cannot compile the bytecode of an environment", error);
}

static gboolean
write_stamp (Making  *self,
             GError **error)
{
  g_autofree char *manifest = _pyisolate_env_generation_file (self->temporary, "manifest");
  g_autofree char *stamp = _pyisolate_env_generation_file (self->temporary, "stamp.json");
  g_autofree char *digest = _pyisolate_env_file_digest (manifest, error);
  g_autofree char *minor = _pyisolate_env_interpreter_dup_minor (self->interpreter);
  g_auto (GStrv) packages = _pyisolate_env_generation_packages (self->temporary, minor);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (digest == NULL)
    return FALSE;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "format");
  json_builder_add_int_value (builder, 1);
  _pyisolate_env_json_add_string (builder, "key", self->key);
  _pyisolate_env_json_add_string (builder, "python", self->interpreter->path);
  _pyisolate_env_json_add_string (builder, "python-version", self->interpreter->version);
  _pyisolate_env_json_add_string (builder, "abi", self->interpreter->abi);
  _pyisolate_env_json_add_string (builder, "manifest", digest);
  _pyisolate_env_json_add_strv (builder, "packages", (const char *const *) packages);
  json_builder_set_member_name (builder, "created");
  json_builder_add_int_value (builder, g_get_real_time () / G_USEC_PER_SEC);
  _pyisolate_env_lock_to_json (self->lock, builder);
  json_builder_end_object (builder);

  return _pyisolate_env_write_json (stamp, builder, error);
}

/* Files are on the disk before the stamp that vouches for them, and the stamp before the name. */
static gboolean
publish (Making      *self,
         const char  *environment,
         GError     **error)
{
  if (syncfs (self->lock_fd) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot sync", self->temporary);
      return FALSE;
    }
  if (!write_stamp (self, error) || !_pyisolate_env_sync_directory (self->temporary, error) ||
      g_cancellable_set_error_if_cancelled (self->cancellable, error))
    return FALSE;
  if (rename (self->temporary, self->final) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot rename an environment to", self->final);
      return FALSE;
    }

  return _pyisolate_env_sync_directory (environment, error);
}

char *
_pyisolate_env_generation_make (const PyIsolateEnvironmentRequest  *request,
                                const char                         *key,
                                guint                               number,
                                PyIsolateEnvLock                   *lock,
                                const PyIsolateEnvInterpreter      *interpreter,
                                PyIsolateEnvProgress               *progress,
                                GCancellable                       *cancellable,
                                GError                            **error)
{
  g_auto (Making) self = {
    request, key, lock, interpreter, progress, cancellable, NULL, NULL, NULL, -1
  };
  g_autofree char *environment = _pyisolate_env_store_environment (request->venv_root, key);

  self.uv = _pyisolate_env_uv_new (request, error);
  if (self.uv == NULL)
    return NULL;

  _pyisolate_env_store_sweep (environment);
  self.final = _pyisolate_env_store_generation (environment, number);
  _pyisolate_env_progress_tell (progress, PYISOLATE_ENVIRONMENT_STAGE_DOWNLOADING, 0.1,
                                "Fetching packages");
  if (make_directory (&self, environment, error) && make_venv (&self, error) &&
      install (&self, error) && link_torch (&self, error) && finish (&self, error) &&
      publish (&self, environment, error))
    {
      _pyisolate_env_progress_tell (progress, PYISOLATE_ENVIRONMENT_STAGE_INSTALLING, 1,
                                    "Installed");
      return g_steal_pointer (&self.final);
    }

  if (self.temporary != NULL)
    _pyisolate_env_tree_remove (self.temporary, NULL);
  /* Where it has other generations, it is not empty. */
  rmdir (environment);
  return NULL;
}
