/* SPDX-License-Identifier: MIT */
/* From what was asked for to what will be installed: resolved once, by uv, and kept. */
#include "config.h"

#include "pyisolate-env-lock-private.h"

#include "pyisolate-env-redact-private.h"
#include "pyisolate-env-requirement-private.h"
#include "pyisolate-env-store-private.h"
#include "pyisolate-env-torch-private.h"
#include "pyisolate-env-tree-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <string.h>

#define KEY_LENGTH 32          /* 128 bits of a SHA-256 */

void
_pyisolate_env_lock_free (PyIsolateEnvLock *self)
{
  g_free (self->text);
  g_strfreev (self->requirements);
  g_free (self->index_url);
  g_strfreev (self->extra_index_urls);
  g_strfreev (self->find_links);
  g_strfreev (self->local_paths);
  g_strfreev (self->local_digests);
  g_free (self->torch_site);
  g_free (self->torch_version);
  g_free (self->torch_record);
  g_strfreev (self->torch_lent);
  g_free (self);
}

/* Length and text, so that no two lists of texts look alike. */
static void
feed (GChecksum  *checksum,
      const char *name,
      const char *value)
{
  gsize length = value != NULL ? strlen (value) : 0;
  g_autofree char *head = g_strdup_printf ("%s %" G_GSIZE_FORMAT " ", name, length);

  g_checksum_update (checksum, (const guchar *) head, -1);
  if (value != NULL)
    g_checksum_update (checksum, (const guchar *) value, -1);
}

static void
feed_strv (GChecksum         *checksum,
           const char        *name,
           const char *const *strv)
{
  for (guint i = 0; strv != NULL && strv[i] != NULL; i++)
    {
      g_autofree char *redacted = _pyisolate_env_redact_text (strv[i]);

      feed (checksum, name, redacted);
    }
}

static GPtrArray *
parse_requirements (const PyIsolateEnvironmentRequest  *request,
                    GError                            **error)
{
  g_autoptr (GPtrArray) parsed =
    g_ptr_array_new_with_free_func ((GDestroyNotify) _pyisolate_env_requirement_free);
  g_auto (GStrv) sorted =
    _pyisolate_env_strv_normalize ((const char *const *) request->dependencies);

  for (guint i = 0; sorted[i] != NULL; i++)
    {
      PyIsolateEnvRequirement *requirement =
        _pyisolate_env_requirement_parse (sorted[i], request->base_directory, error);

      if (requirement == NULL)
        return NULL;
      g_ptr_array_add (parsed, requirement);
    }

  return g_steal_pointer (&parsed);
}

/* The interpreter counts by what can make a resolution differ: a security update of 3.11 keeps
 * the lock. */
char *
_pyisolate_env_request_key (const PyIsolateEnvironmentRequest  *request,
                            const PyIsolateEnvInterpreter      *interpreter,
                            const PyIsolateEnvTorch            *torch,
                            GError                            **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GPtrArray) requirements = parse_requirements (request, error);
  g_autofree char *minor = _pyisolate_env_interpreter_dup_minor (interpreter);
  g_autofree char *identity = _pyisolate_env_uv_dup_identity ();
  g_autofree char *index =
    request->index_url != NULL ? _pyisolate_env_redact_text (request->index_url) : NULL;

  if (requirements == NULL)
    return NULL;

  feed (checksum, "request", "1");
  for (guint i = 0; i < requirements->len; i++)
    feed (checksum, "requirement",
          ((PyIsolateEnvRequirement *) g_ptr_array_index (requirements, i))->line);
  feed (checksum, "python", interpreter->path);
  feed (checksum, "version", minor);
  feed (checksum, "abi", interpreter->abi);
  feed (checksum, "index", index);
  feed_strv (checksum, "extra", (const char *const *) request->extra_index_urls);
  feed_strv (checksum, "links", (const char *const *) request->find_links);
  feed (checksum, "builds", request->allow_source_builds ? "yes" : "no");
  feed (checksum, "uv", identity);
  if (torch != NULL)
    {
      feed (checksum, "torch", torch->site);
      feed (checksum, "torch-record", torch->record);
    }
  if (request->lock_file != NULL)
    {
      gboolean is_pylock;
      g_autofree char *text = _pyisolate_env_lock_file_read (request, &is_pylock, error);

      if (text == NULL)
        return NULL;
      feed (checksum, is_pylock ? "pylock" : "lock", text);
    }

  return g_strndup (g_checksum_get_string (checksum), KEY_LENGTH);
}

char *
_pyisolate_env_lock_dup_environment_key (PyIsolateEnvLock              *self,
                                         const PyIsolateEnvInterpreter *interpreter)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  feed (checksum, "environment", "1");
  feed (checksum, self->is_pylock ? "pylock" : "lock", self->text);
  feed_strv (checksum, "local", (const char *const *) self->local_digests);
  if (self->torch_site != NULL)
    {
      feed (checksum, "torch", self->torch_site);
      feed (checksum, "torch-record", self->torch_record);
      feed_strv (checksum, "lent", (const char *const *) self->torch_lent);
    }
  feed (checksum, "python", interpreter->path);
  feed (checksum, "version", interpreter->version);
  feed (checksum, "abi", interpreter->abi);

  return g_strndup (g_checksum_get_string (checksum), KEY_LENGTH);
}

static char *
lock_path (const char *venv_root,
           const char *request_key)
{
  g_autofree char *name = g_strconcat (request_key, ".json", NULL);

  return _pyisolate_env_store_path (venv_root, "locks", name);
}

PyIsolateEnvLock *
_pyisolate_env_lock_from_json (JsonObject *object)
{
  g_autoptr (PyIsolateEnvLock) self = g_new0 (PyIsolateEnvLock, 1);

  self->is_pylock = json_object_get_boolean_member_with_default (object, "pylock", FALSE);
  self->requirements = _pyisolate_env_json_strv (object, "requirements");
  self->index_url = g_strdup (_pyisolate_env_json_string (object, "index-url"));
  self->extra_index_urls = _pyisolate_env_json_strv (object, "extra-index-urls");
  self->find_links = _pyisolate_env_json_strv (object, "find-links");
  self->allow_source_builds =
    json_object_get_boolean_member_with_default (object, "allow-source-builds", FALSE);
  self->local_paths = _pyisolate_env_json_strv (object, "local-paths");
  self->local_digests = _pyisolate_env_json_strv (object, "local-digests");
  self->torch_site = g_strdup (_pyisolate_env_json_string (object, "torch-site"));
  self->torch_version = g_strdup (_pyisolate_env_json_string (object, "torch-version"));
  self->torch_record = g_strdup (_pyisolate_env_json_string (object, "torch-record"));
  self->torch_lent = _pyisolate_env_json_strv (object, "torch-lent");
  if (g_strv_length (self->local_paths) != g_strv_length (self->local_digests)
      || (self->torch_site != NULL && self->torch_record == NULL))
    return NULL;

  return g_steal_pointer (&self);
}

void
_pyisolate_env_lock_to_json (PyIsolateEnvLock *self,
                             JsonBuilder      *builder)
{
  _pyisolate_env_json_add_strv (builder, "requirements", (const char *const *) self->requirements);
  _pyisolate_env_json_add_string (builder, "index-url", self->index_url);
  _pyisolate_env_json_add_strv (builder, "extra-index-urls",
                                (const char *const *) self->extra_index_urls);
  _pyisolate_env_json_add_strv (builder, "find-links", (const char *const *) self->find_links);
  json_builder_set_member_name (builder, "allow-source-builds");
  json_builder_add_boolean_value (builder, self->allow_source_builds);
  _pyisolate_env_json_add_strv (builder, "local-paths", (const char *const *) self->local_paths);
  _pyisolate_env_json_add_strv (builder, "local-digests",
                                (const char *const *) self->local_digests);
  if (self->torch_site != NULL)
    {
      _pyisolate_env_json_add_string (builder, "torch-site", self->torch_site);
      _pyisolate_env_json_add_string (builder, "torch-version", self->torch_version);
      _pyisolate_env_json_add_string (builder, "torch-record", self->torch_record);
      _pyisolate_env_json_add_strv (builder, "torch-lent", (const char *const *) self->torch_lent);
    }
  json_builder_set_member_name (builder, "pylock");
  json_builder_add_boolean_value (builder, self->is_pylock);
}

PyIsolateEnvLock *
_pyisolate_env_lock_load (const char  *venv_root,
                          const char  *request_key,
                          GError     **error)
{
  g_autofree char *path = lock_path (venv_root, request_key);
  g_autoptr (JsonObject) object = _pyisolate_env_read_json (path, error);
  g_autoptr (PyIsolateEnvLock) self = NULL;

  if (object == NULL || json_object_get_int_member_with_default (object, "format", 0) != 1)
    return NULL;

  self = _pyisolate_env_lock_from_json (object);
  if (self == NULL || _pyisolate_env_json_string (object, "lock") == NULL)
    return NULL;
  self->text = g_strdup (_pyisolate_env_json_string (object, "lock"));

  return g_steal_pointer (&self);
}

gboolean
_pyisolate_env_lock_save (PyIsolateEnvLock  *self,
                          const char        *venv_root,
                          const char        *request_key,
                          GError           **error)
{
  g_autofree char *path = lock_path (venv_root, request_key);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "format");
  json_builder_add_int_value (builder, 1);
  _pyisolate_env_lock_to_json (self, builder);
  _pyisolate_env_json_add_string (builder, "lock", self->text);
  json_builder_end_object (builder);

  return _pyisolate_env_write_json (path, builder, error);
}

/* Before uv looks at them: if one changes meanwhile, that is noticed the next time. */
static gboolean
digest_locals (PyIsolateEnvLock  *self,
               GPtrArray         *requirements,
               GCancellable      *cancellable,
               GError           **error)
{
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) digests = g_strv_builder_new ();

  for (guint i = 0; i < requirements->len; i++)
    {
      PyIsolateEnvRequirement *requirement = g_ptr_array_index (requirements, i);
      g_autofree char *digest = NULL;

      if (requirement->path == NULL)
        continue;
      digest = _pyisolate_env_tree_digest (requirement->path, cancellable, error);
      if (digest == NULL)
        return FALSE;
      g_strv_builder_add (paths, requirement->path);
      g_strv_builder_add (digests, digest);
    }
  self->local_paths = g_strv_builder_end (paths);
  self->local_digests = g_strv_builder_end (digests);

  return TRUE;
}

static char *
join_lines (GPtrArray *requirements)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < requirements->len; i++)
    {
      PyIsolateEnvRequirement *requirement = g_ptr_array_index (requirements, i);

      g_string_append_printf (text, "%s\n", requirement->line);
    }

  return g_string_free (text, FALSE);
}

/* The shared torch's index comes first: what it has is looked for nowhere else. */
static void
add_torch_index (PyIsolateEnvUv          *uv,
                 const PyIsolateEnvTorch *torch)
{
  g_autofree char *uri = g_filename_to_uri (torch->index, NULL, NULL);
  const char *before = g_environ_getenv (uv->environment, "UV_INDEX");
  g_autofree char *value = before != NULL ? g_strjoin (" ", uri, before, NULL) : g_strdup (uri);

  uv->environment = g_environ_setenv (uv->environment, "UV_INDEX", value, TRUE);
}

static char *
compile (const PyIsolateEnvironmentRequest  *request,
         const PyIsolateEnvInterpreter      *interpreter,
         const PyIsolateEnvTorch            *torch,
         PyIsolateEnvUv                     *uv,
         const char                         *requirements,
         PyIsolateEnvProgress               *progress,
         GCancellable                       *cancellable,
         GError                            **error)
{
  const char *argv[20] = { "pip", "compile", "-", "--generate-hashes", "--no-header",
                           "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
                           "--no-emit-index-annotation", "--python", interpreter->path,
                           request->allow_source_builds ? "--build" : "--no-build" };
  guint n = 12;
  char *out = NULL;

  /* Nothing asked for is nothing to resolve; uv would warn. */
  if (*requirements == '\0')
    return g_strdup ("");

  if (torch != NULL)
    {
      add_torch_index (uv, torch);
      argv[n++] = "--constraint";
      argv[n++] = torch->constraints;
      argv[n++] = "--no-emit-package";
      argv[n++] = "torch";
    }
  argv[n] = NULL;
  _pyisolate_env_uv_run (uv, argv, requirements, -1, progress, &out, cancellable, error);
  return out;
}

PyIsolateEnvLock *
_pyisolate_env_lock_resolve (const PyIsolateEnvironmentRequest  *request,
                             const PyIsolateEnvInterpreter      *interpreter,
                             const PyIsolateEnvTorch            *torch,
                             PyIsolateEnvProgress               *progress,
                             GCancellable                       *cancellable,
                             GError                            **error)
{
  g_autoptr (PyIsolateEnvLock) self = g_new0 (PyIsolateEnvLock, 1);
  g_autoptr (GPtrArray) requirements = parse_requirements (request, error);
  g_autoptr (PyIsolateEnvUv) uv = NULL;
  g_autofree char *lines = NULL;
  g_auto (GStrv) sorted = NULL;

  if (requirements == NULL || !digest_locals (self, requirements, cancellable, error))
    return NULL;
  uv = _pyisolate_env_uv_new (request, error);
  if (uv == NULL)
    return NULL;

  _pyisolate_env_progress_tell (progress, PYISOLATE_ENVIRONMENT_STAGE_RESOLVING, 0,
                                "Resolving dependencies");
  lines = join_lines (requirements);
  if (request->lock_file != NULL)
    {
      self->text = _pyisolate_env_lock_file_read (request, &self->is_pylock, error);
      if (self->text == NULL)
        return NULL;
      /* uv takes no pylock.toml for constraints. */
      if (*lines != '\0' && !self->is_pylock &&
          !_pyisolate_env_lock_file_check (request, interpreter, uv, lines, self->text, cancellable,
                                           error))
        return NULL;
    }
  else
    {
      self->text = compile (request, interpreter, torch, uv, lines, progress, cancellable, error);
      if (self->text == NULL)
        return NULL;
    }

  sorted = _pyisolate_env_strv_normalize ((const char *const *) request->dependencies);
  self->requirements = _pyisolate_env_redact_strv ((const char *const *) sorted);
  self->index_url =
    request->index_url != NULL ? _pyisolate_env_redact_text (request->index_url) : NULL;
  self->extra_index_urls =
    _pyisolate_env_redact_strv ((const char *const *) request->extra_index_urls);
  self->find_links = _pyisolate_env_redact_strv ((const char *const *) request->find_links);
  self->allow_source_builds = request->allow_source_builds;
  if (torch != NULL)
    {
      self->torch_site = g_strdup (torch->site);
      self->torch_version = g_strdup (torch->version);
      self->torch_record = g_strdup (torch->record);
      self->torch_lent = _pyisolate_env_torch_dup_lent (torch, self->text);
    }

  return g_steal_pointer (&self);
}

char *
_pyisolate_env_lock_find_changed (PyIsolateEnvLock *self,
                                  GCancellable     *cancellable)
{
  for (guint i = 0; self->local_paths[i] != NULL; i++)
    {
      g_autofree char *digest = NULL;

      digest = _pyisolate_env_tree_digest (self->local_paths[i], cancellable, NULL);
      /* One that is gone is no reason to lose what was made from it. */
      if (digest != NULL && !g_str_equal (digest, self->local_digests[i]))
        return g_strdup (self->local_paths[i]);
    }

  return NULL;
}

gboolean
_pyisolate_env_lock_is_hashed (PyIsolateEnvLock *self)
{
  g_auto (GStrv) lines = NULL;

  if (self->is_pylock)
    return FALSE;

  lines = _pyisolate_env_lock_file_split (self->text);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (strstr (lines[i], " --hash=") == NULL && strstr (lines[i], " --hash ") == NULL)
        return FALSE;
    }

  return lines[0] != NULL;
}
