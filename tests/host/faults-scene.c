/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "faults-scene.h"

PyIsolateExtensionConfig *
host_marked_config (const char *name,
                    const char *file,
                    const char *mark,
                    const char *variable)
{
  PyIsolateExtensionConfig *config = host_config (name, file);
  const char *variables[] = { mark, variable, NULL };

  pyisolate_extension_config_set_environment_variables (config, variables);

  return config;
}

HostScene *
host_scene_new (void)
{
  HostScene *scene = g_new0 (HostScene, 1);
  g_autofree char *unique = g_uuid_string_random ();

  scene->test = host_test_new ();
  scene->mark = g_strconcat ("HOST_TEST_MARK=", unique, NULL);
  scene->other = host_test_load_config (scene->test, host_config ("other", "basic"));

  return scene;
}

PyIsolateExtension *
host_scene_load (HostScene *scene)
{
  return host_test_load_config (scene->test, host_marked_config ("faulty", "faults", scene->mark, NULL));
}

void
host_scene_assert_nobody (HostScene *scene)
{
  g_autoptr (GArray) pids = test_util_find_processes (scene->mark);

  if (pids->len > 0)
    g_error ("%u processes are left of the tree; one is %d", pids->len,
             g_array_index (pids, int, 0));
}

void
host_scene_free (HostScene *scene)
{
  host_scene_assert_nobody (scene);
  host_assert_result (scene->other, "add", "(1, 2)", "int64 3");
  host_test_free (scene->test);
  g_free (scene->mark);
  g_free (scene);
}
