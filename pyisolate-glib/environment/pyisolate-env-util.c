/* SPDX-License-Identifier: MIT */
/* Small things that several files of environment/ need. */
#include "config.h"

#include "pyisolate-env-util-private.h"

#include "pyisolate-environment-private.h"
#include "pyisolate-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
_pyisolate_env_set_errno (GError     **error,
                          int          saved_errno,
                          const char  *what,
                          const char  *path)
{
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
               "%s %s: %s", what, path, g_strerror (saved_errno));
}

gboolean
_pyisolate_env_file_id (const char         *path,
                        PyIsolateEnvFileId *id)
{
  struct stat st;

  if (stat (path, &st) != 0)
    return FALSE;

  id->mtime = (gint64) st.st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + st.st_mtim.tv_nsec;
  id->size = st.st_size;
  return TRUE;
}

gboolean
_pyisolate_env_sync_directory (const char  *path,
                               GError     **error)
{
  PYISOLATE_ENV_AUTOFD int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0 || fsync (fd) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot sync", path);
      return FALSE;
    }

  return TRUE;
}

static gboolean
make_directory_of (const char  *path,
                   GError     **error)
{
  g_autofree char *directory = g_path_get_dirname (path);

  if (g_mkdir_with_parents (directory, 0700) == 0)
    return TRUE;

  _pyisolate_env_set_errno (error, errno, "Cannot make the directory", directory);
  return FALSE;
}

static gboolean
set_contents (const char             *path,
              const char             *text,
              GFileSetContentsFlags   flags,
              GError                **error)
{
  g_autoptr (GError) local_error = NULL;

  if (g_file_set_contents_full (path, text, -1, flags, 0600, &local_error))
    return TRUE;

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT, "Cannot write %s: %s", path, local_error->message);
  return FALSE;
}

gboolean
_pyisolate_env_write_file (const char  *path,
                           const char  *text,
                           GError     **error)
{
  g_autofree char *directory = g_path_get_dirname (path);

  return make_directory_of (path, error) &&
         set_contents (path, text, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, error) &&
         _pyisolate_env_sync_directory (directory, error);
}

/* GLib waits for the disk before it gives a file its name. */
gboolean
_pyisolate_env_note_json (const char   *path,
                          JsonBuilder  *builder,
                          GError      **error)
{
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, TRUE);
  PYISOLATE_ENV_AUTOFD int fd = -1;

  if (!make_directory_of (path, error))
    return FALSE;

  fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot make", temporary);
      return FALSE;
    }
  if (!set_contents (temporary, text, G_FILE_SET_CONTENTS_NONE, error))
    {
      g_unlink (temporary);
      return FALSE;
    }
  if (g_rename (temporary, path) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot write", path);
      g_unlink (temporary);
      return FALSE;
    }

  return TRUE;
}

gboolean
_pyisolate_env_write_json (const char   *path,
                           JsonBuilder  *builder,
                           GError      **error)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, TRUE);

  return _pyisolate_env_write_file (path, text, error);
}

JsonObject *
_pyisolate_env_json_parse (const char *text,
                           gssize      length)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root;

  if (!json_parser_load_from_data (parser, text, length, NULL))
    return NULL;

  root = json_parser_get_root (parser);
  return root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_dup_object (root) : NULL;
}

JsonObject *
_pyisolate_env_read_json (const char  *path,
                          GError     **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &local_error))
    {
      if (!g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT) &&
          !g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
        g_set_error_literal (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT, local_error->message);
      return NULL;
    }

  return _pyisolate_env_json_parse (text, length);
}

const char *
_pyisolate_env_json_string (JsonObject *object,
                            const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;

  return json_node_get_string (node);
}

char **
_pyisolate_env_json_strv (JsonObject *object,
                          const char *name)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  JsonNode *node = json_object_get_member (object, name);
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return g_strv_builder_end (builder);

  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_VALUE (element) && json_node_get_value_type (element) == G_TYPE_STRING)
        g_strv_builder_add (builder, json_node_get_string (element));
    }

  return g_strv_builder_end (builder);
}

void
_pyisolate_env_json_add_string (JsonBuilder *builder,
                                const char  *name,
                                const char  *value)
{
  json_builder_set_member_name (builder, name);
  if (value != NULL)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
_pyisolate_env_json_add_strv (JsonBuilder        *builder,
                              const char         *name,
                              const char *const  *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; value != NULL && value[i] != NULL; i++)
    json_builder_add_string_value (builder, value[i]);
  json_builder_end_array (builder);
}

static int
compare_strings (gconstpointer a,
                 gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char **
_pyisolate_env_strv_normalize (const char *const *strv)
{
  g_autoptr (GPtrArray) array = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; strv != NULL && strv[i] != NULL; i++)
    g_ptr_array_add (array, g_strstrip (g_strdup (strv[i])));
  g_ptr_array_sort (array, compare_strings);

  for (guint i = 1; i < array->len;)
    {
      if (g_str_equal (g_ptr_array_index (array, i - 1), g_ptr_array_index (array, i)))
        g_ptr_array_remove_index (array, i);
      else
        i++;
    }

  g_ptr_array_add (array, NULL);
  return (char **) g_ptr_array_steal (array, NULL);
}

char *
_pyisolate_env_find_own_python (const char *prefix)
{
  g_autofree char *python = g_build_filename (prefix, "bin", "python", NULL);

  if (access (python, X_OK) == 0)
    return g_steal_pointer (&python);

  return g_build_filename (prefix, "bin", "python3", NULL);
}
