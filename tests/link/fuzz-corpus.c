/* SPDX-License-Identifier: MIT */
/* A fuzz target as a test: over the files of the folder that is its argument, cut short everywhere and with each bit changed.
 * With libFuzzer the target is linked to that instead. */
#include "config.h"

#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data,
                            size_t         size);

static void
try_variations (const char *data,
                gsize       size)
{
  for (gsize length = 0; length <= size; length++)
    {
      g_autofree guint8 *part = g_memdup2 (data, length);

      LLVMFuzzerTestOneInput (part, length);
    }

  /* Each byte changed a little and a lot. */
  for (gsize i = 0; i < size; i++)
    {
      g_autofree guint8 *changed = g_memdup2 (data, size);

      for (guint bit = 0; bit < 8; bit++)
        {
          changed[i] ^= 1 << bit;
          LLVMFuzzerTestOneInput (changed, size);
        }
    }
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GDir) folder = NULL;
  g_autoptr (GError) error = NULL;
  const char *name;
  guint n_files = 0;

  g_assert_cmpint (argc, ==, 2);
  folder = g_dir_open (argv[1], 0, &error);
  g_assert_no_error (error);
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (argv[1], name, NULL);
      g_autofree char *data = NULL;
      gsize size;

      g_assert_true (g_file_get_contents (path, &data, &size, &error));
      try_variations (data, size);
      g_print ("ok %u %s\n", ++n_files, name);
    }
  g_assert_cmpuint (n_files, >, 0);
  g_print ("1..%u\n", n_files);

  return 0;
}
