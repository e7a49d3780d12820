/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli-arguments.h"

#include "cli-json.h"
#include "pyisolate-json-values.h"

#include <gio/gunixinputstream.h>
#include <string.h>
#include <unistd.h>

/* What an argument can hold is far below this: a value travels in one message. */
#define MAX_JSON_SIZE (256 * 1024 * 1024)

static gboolean
is_negative_number (const char *word)
{
  return word[0] == '-' && g_ascii_isdigit (word[1]);
}

/* GOption takes "-1" for an option. A space before it changes nothing in JSON and in numbers, and
 * makes it an argument. */
char **
cli_arguments_protect (int    argc,
                       char **argv)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  gboolean options_end = FALSE;

  for (int i = 0; i < argc; i++)
    {
      g_autofree char *spaced = NULL;

      options_end = options_end || (i > 0 && g_str_equal (argv[i], "--"));
      if (!options_end && is_negative_number (argv[i]))
        spaced = g_strconcat (" ", argv[i], NULL);
      g_strv_builder_add (builder, spaced != NULL ? spaced : argv[i]);
    }
  return g_strv_builder_end (builder);
}

guint
cli_arguments_count_stdin (const char * const *words)
{
  guint n = 0;

  for (; words != NULL && *words != NULL; words++)
    n += g_str_equal (*words, "-");
  return n;
}

static GInputStream *
open_source (const char   *word,
             GCancellable *cancellable,
             GError      **error)
{
  g_autoptr (GFile) file = NULL;

  if (*word == '-')
    return g_unix_input_stream_new (STDIN_FILENO, FALSE);
  file = g_file_new_for_path (word + 1);
  return G_INPUT_STREAM (g_file_read (file, cancellable, error));
}

/* In a thread: a pipe may have nothing to read for a long time. */
static void
read_in_thread (GTask        *task,
                gpointer      source,
                gpointer      data,
                GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) input = open_source (data, cancellable, &error);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 block[65536];
  gssize n = 0;

  while (input != NULL
         && (n = g_input_stream_read (input, block, sizeof block, cancellable, &error)) > 0)
    {
      g_byte_array_append (bytes, block, (guint) n);
      if (bytes->len > MAX_JSON_SIZE)
        {
          g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                                   "too much for an argument");
          return;
        }
    }
  if (input == NULL || n < 0)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  /* So that the text ends with one, which is not part of it. */
  g_byte_array_append (bytes, (const guint8 *) "", 1);
  g_task_return_pointer (task, g_byte_array_free_to_bytes (g_steal_pointer (&bytes)),
                         (GDestroyNotify) g_bytes_unref);
}

static JsonNode *
read_node (CliProgram *program,
           const char *word,
           GError    **error)
{
  g_autoptr (GBytes) bytes = NULL;
  const char *text;
  gsize size;

  if (*word != '@' && !g_str_equal (word, "-"))
    return cli_json_parse (word, strlen (word), error);
  bytes = cli_program_run_in_thread (program, read_in_thread, g_strdup (word), g_free, TRUE, error);
  if (bytes == NULL)
    return NULL;
  text = g_bytes_get_data (bytes, &size);
  return cli_json_parse (text, size - 1, error);
}

/* An argument that is wrong is an error of usage, whatever was wrong in it. */
static GVariant *
wrong (const char *name,
       const char *word,
       GError     *cause,
       GError    **error)
{
  g_autoptr (GError) owned = cause;
  g_autofree char *shown = g_utf8_make_valid (word, -1);

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_propagate_error (error, g_steal_pointer (&owned));
      return NULL;
    }
  if (g_utf8_strlen (shown, -1) > 60)
    {
      char *cut = g_utf8_substring (shown, 0, 60);

      g_free (shown);
      shown = g_strconcat (cut, "...", NULL);
      g_free (cut);
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s (%s): %s", name,
               g_strstrip (shown), cause->message);
  return NULL;
}

GVariant *
cli_arguments_read_tuple (CliProgram         *program,
                          const char * const *words,
                          GError            **error)
{
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (guint i = 0; words[i] != NULL; i++)
    {
      g_autofree char *name = g_strdup_printf ("argument %u", i + 1);
      g_autoptr (GError) cause = NULL;
      g_autoptr (JsonNode) node = read_node (program, words[i], &cause);
      GVariant *value = node != NULL ? _pyisolate_value_from_json (node, &cause) : NULL;

      if (value == NULL)
        return wrong (name, words[i], g_steal_pointer (&cause), error);
      g_ptr_array_add (values, g_variant_take_ref (value));
    }
  return g_variant_ref_sink (g_variant_new_tuple ((GVariant **) values->pdata, values->len));
}

GVariant *
cli_arguments_read_kwargs (CliProgram *program,
                           const char *word,
                           GError    **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  JsonObjectIter iter;
  const char *key;
  JsonNode *member;

  if (word == NULL)
    return NULL;
  node = read_node (program, word, &cause);
  if (node == NULL)
    return wrong ("--kwargs", word, g_steal_pointer (&cause), error);
  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--kwargs needs a JSON object of names and values, such as '{\"depth\": 2}'");
      return NULL;
    }
  json_object_iter_init_ordered (&iter, json_node_get_object (node));
  while (json_object_iter_next_ordered (&iter, &key, &member))
    {
      GVariant *value = _pyisolate_value_from_json (member, &cause);

      if (value == NULL)
        {
          g_autofree char *name = g_strdup_printf ("--kwargs, “%s”", key);

          return wrong (name, word, g_steal_pointer (&cause), error);
        }
      value = g_variant_take_ref (value);
      g_variant_builder_add (&builder, "{sv}", key, value);
      g_variant_unref (value);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}
