/* SPDX-License-Identifier: MIT */
/* The stamp of a generation, read. */
#include "config.h"

#include "pyisolate-env-generation-private.h"

#include "pyisolate-env-store-private.h"
#include "pyisolate-env-util-private.h"

void
_pyisolate_env_stamp_free (PyIsolateEnvStamp *self)
{
  g_free (self->key);
  g_free (self->python);
  g_free (self->python_version);
  g_free (self->abi);
  g_free (self->manifest_digest);
  g_strfreev (self->packages);
  g_clear_pointer (&self->lock, _pyisolate_env_lock_free);
  g_free (self);
}

PyIsolateEnvStamp *
_pyisolate_env_stamp_load (const char  *generation,
                           GError     **error)
{
  g_autoptr (PyIsolateEnvStamp) self = g_new0 (PyIsolateEnvStamp, 1);
  g_autofree char *path = _pyisolate_env_generation_file (generation, "stamp.json");
  g_autoptr (JsonObject) object = _pyisolate_env_read_json (path, error);

  if (object == NULL || json_object_get_int_member_with_default (object, "format", 0) != 1)
    return NULL;

  self->key = g_strdup (_pyisolate_env_json_string (object, "key"));
  self->python = g_strdup (_pyisolate_env_json_string (object, "python"));
  self->python_version = g_strdup (_pyisolate_env_json_string (object, "python-version"));
  self->abi = g_strdup (_pyisolate_env_json_string (object, "abi"));
  self->manifest_digest = g_strdup (_pyisolate_env_json_string (object, "manifest"));
  self->packages = _pyisolate_env_json_strv (object, "packages");
  self->created = json_object_get_int_member_with_default (object, "created", 0);
  self->lock = _pyisolate_env_lock_from_json (object);
  if (self->key == NULL || self->python == NULL || self->python_version == NULL ||
      self->abi == NULL ||
      self->manifest_digest == NULL || self->lock == NULL)
    return NULL;

  return g_steal_pointer (&self);
}

const char *
_pyisolate_env_lock_file_name (gboolean is_pylock)
{
  return is_pylock ? "pylock.toml" : "requirements.lock";
}
