/* SPDX-License-Identifier: MIT */
#include <pyisolate-glib.h>

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateExtensionManager) manager = pyisolate_extension_manager_new (NULL);
  g_autoptr (PyIsolateExtensionConfig) config = NULL;
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GVariant) answer = NULL;

  if (argc != 3)
    {
      g_printerr ("usage: %s DIRECTORY NAME\n", argv[0]);
      return 2;
    }
  config = pyisolate_extension_config_new ("greeter", argv[1]);
  extension = pyisolate_extension_manager_load_extension_sync (manager, config, NULL, &error);
  if (extension != NULL)
    answer = pyisolate_extension_call_sync (extension, "greet", g_variant_new ("(s)", argv[2]),
                                            NULL, NULL, &error);
  if (answer == NULL)
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  g_print ("%s\n", g_variant_get_string (answer, NULL));
  return pyisolate_extension_manager_stop_all_sync (manager, NULL, NULL) ? 0 : 1;
}
