/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test-environ.h"

void
test_environ_forget_user_settings (void)
{
  g_auto (GStrv) names = g_listenv ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *lower = g_ascii_strdown (names[i], -1);

      if (g_str_has_prefix (names[i], "UV_") || g_str_has_suffix (lower, "_proxy"))
        g_unsetenv (names[i]);
    }
}

void
test_environ_make_wheels (const char *python,
                          const char *directory,
                          va_list     specs)
{
  g_autofree char *script = g_test_build_filename (G_TEST_DIST, "environment", "make-wheels.py", NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *err = NULL;
  g_autoptr (GError) error = NULL;
  const char *spec;
  int status;

  g_ptr_array_add (argv, (char *) python);
  g_ptr_array_add (argv, (char *) "-I");
  g_ptr_array_add (argv, script);
  g_ptr_array_add (argv, (char *) directory);
  while ((spec = va_arg (specs, const char *)) != NULL)
    g_ptr_array_add (argv, (char *) spec);
  g_ptr_array_add (argv, NULL);

  g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &err, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (err, ==, "");
  g_assert_cmpint (status, ==, 0);
}
