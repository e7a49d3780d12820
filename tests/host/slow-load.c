/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "slow-load.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
host_begin_load (HostTest                  *test,
                 PyIsolateExtensionConfig  *config_to_take,
                 GCancellable              *cancellable,
                 GAsyncResult             **result)
{
  g_autoptr (PyIsolateExtensionConfig) config = config_to_take;
  PyIsolateExtension *extension;

  pyisolate_extension_manager_load_extension_async (test->manager, config, cancellable, host_store,
                                                    result);
  g_assert_null (*result);
  extension = pyisolate_extension_manager_get_extension (test->manager, pyisolate_extension_config_get_name (config));
  g_assert_nonnull (extension);
  host_test_watch (test, extension);
}

PyIsolateExtension *
host_end_load (HostTest      *test,
               GAsyncResult **result)
{
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;

  host_wait_result (result);
  extension = pyisolate_extension_manager_load_extension_finish (test->manager, *result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (extension);
  g_clear_object (result);

  return extension; /* the manager keeps it */
}

GError *
host_end_failed_load (HostTest      *test,
                      GAsyncResult **result,
                      GQuark         domain,
                      int            code)
{
  g_autoptr (GError) error = NULL;

  host_wait_result (result);
  g_assert_null (pyisolate_extension_manager_load_extension_finish (test->manager, *result,
                                                                    &error));
  g_assert_error (error, domain, code);
  g_clear_object (result);

  return g_steal_pointer (&error);
}

char *
host_make_fifo (void)
{
  g_autofree char *directory = host_test_scratch ("fifo");
  char *path = g_build_filename (directory, "fifo", NULL);

  g_assert_cmpint (mkfifo (path, 0600), ==, 0);

  return path;
}

void
host_release_fifo (const char *path)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
}

PyIsolateExtensionConfig *
host_slow_config (const char *name,
                  const char *fifo)
{
  PyIsolateExtensionConfig *config = host_config (name, "slow_import");
  g_autofree char *variable = g_strconcat ("RELEASE=", fifo, NULL);
  const char *variables[] = { variable, NULL };

  pyisolate_extension_config_set_environment_variables (config, variables);

  return config;
}

char *
host_make_slow_uv (const char *fifo)
{
  g_autofree char *directory = host_test_scratch ("uv");
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\necho started >> %s/calls\nread line < %s\nexit 1\n", directory, fifo);
  char *path = g_build_filename (directory, "uv", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0700, &error);
  g_assert_no_error (error);

  return path;
}

guint
host_count_uv_calls (const char *uv)
{
  g_autofree char *directory = g_path_get_dirname (uv);
  g_autofree char *path = g_build_filename (directory, "calls", NULL);
  g_autofree char *text = NULL;
  gsize length = 0;

  return g_file_get_contents (path, &text, &length, NULL) ? length / strlen ("started\n") : 0;
}

gboolean
host_uv_is_called (gpointer uv)
{
  return host_count_uv_calls (uv) > 0;
}

PyIsolateExtensionConfig *
host_uv_config (const char *name)
{
  PyIsolateExtensionConfig *config = host_config (name, "basic");
  g_autofree char *requirement = g_strdup_printf ("never-there==%u", g_str_hash (name));
  const char *dependencies[] = { requirement, NULL };

  pyisolate_extension_config_set_dependencies (config, dependencies);

  return config;
}
