/* SPDX-License-Identifier: MIT */
/* A host in C, blocking (`sync`) or on a main loop (`async`): host sync|async PYTHON EXTENSION VENV-ROOT. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  GVariant *value;
  GError *error;
  gboolean done;
} Reply;

static void
on_reply (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  Reply *reply = user_data;

  reply->value = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, &reply->error);
  reply->done = TRUE;
}

GVariant *
host_call (Host       *self,
           const char *method,
           GVariant   *args,
           GError    **error)
{
  Reply reply = { NULL };

  if (!self->is_async)
    return pyisolate_extension_call_sync (self->extension, method, args, NULL, NULL, error);
  pyisolate_extension_call_async (self->extension, method, args, NULL, NULL, on_reply, &reply);
  while (!reply.done)
    g_main_context_iteration (NULL, TRUE);
  if (reply.error != NULL)
    g_propagate_error (error, reply.error);
  return reply.value;
}

static GVariant *
make_text (gsize n_bytes)
{
  g_autofree char *text = g_malloc (n_bytes + 1);

  memset (text, 'a', n_bytes);
  text[n_bytes] = '\0';
  return g_variant_new_string (text);
}

static GVariant *
make_bytes (gsize n_bytes)
{
  guint8 *data = g_malloc (n_bytes);

  for (gsize i = 0; i < n_bytes; i++)
    data[i] = i % 251;
  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, n_bytes, TRUE, g_free, data);
}

static GVariant *
make_floats_by_name (void)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sd}"));

  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *key = g_strdup_printf ("key%u", i);

      g_variant_builder_add (&builder, "{sd}", key, i * 1.1);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
make_ints (void)
{
  gint64 numbers[1000];

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    numbers[i] = i;
  return g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, numbers, G_N_ELEMENTS (numbers), sizeof *numbers);
}

static GVariant *
make_value (const Workload *workload)
{
  if (g_str_has_prefix (workload->name, "int"))
    return g_variant_new_int64 (1);
  if (g_str_has_prefix (workload->name, "str-"))
    return make_text (workload->n_bytes);
  if (g_str_has_prefix (workload->name, "bytes-"))
    return make_bytes (workload->n_bytes);
  if (g_str_equal (workload->name, "dict-floats"))
    return make_floats_by_name ();
  if (g_str_equal (workload->name, "list-ints"))
    return make_ints ();
  return NULL;
}

static gboolean
prepare_echo (Host           *self,
              const Workload *workload,
              const char    **cannot,
              GError        **error)
{
  g_autoptr (GVariant) reply = NULL;

  g_clear_pointer (&self->value, g_variant_unref);
  self->value = make_value (workload);
  if (self->value == NULL)
    {
      *cannot = "the hosts in Python measure values of Python's";
      return TRUE;
    }
  g_variant_ref_sink (self->value);
  reply = host_call (self, "echo", g_variant_new_tuple (&self->value, 1), error);
  if (reply == NULL)
    return FALSE;
  if (!g_variant_equal (reply, self->value))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "came back different: as %.40s instead of %.40s",
                   g_variant_get_type_string (reply), g_variant_get_type_string (self->value));
      return FALSE;
    }
  return TRUE;
}

static gboolean
prepare (const Workload *workload,
         const char    **cannot,
         gpointer        user_data,
         GError        **error)
{
  Host *self = user_data;

  if (g_str_equal (workload->kind, "echo"))
    return prepare_echo (self, workload, cannot, error);
  if (g_str_equal (workload->kind, "bounce") || g_str_equal (workload->kind, "loaded"))
    return TRUE;
  if (g_str_equal (workload->kind, "many") || g_str_equal (workload->kind, "sleep"))
    {
      g_autoptr (GVariant) reply = NULL;

      if (!self->is_async)
        {
          *cannot = "one blocked caller has one call";
          return TRUE;
        }
      reply = host_call (self, "echo", g_variant_new ("(x)", G_GINT64_CONSTANT (1)), error);
      return reply != NULL;
    }
  *cannot = "the hosts in Python tell it";
  return TRUE;
}

static gboolean
measure_echo (Host     *self,
              Samples  *samples,
              GError  **error)
{
  while (samples_want (samples))
    {
      gint64 begin = subject_now ();
      GVariant *reply = host_call (self, "echo", g_variant_new_tuple (&self->value, 1), error);

      if (reply == NULL)
        return FALSE;
      g_variant_unref (reply);
      samples_add (samples, subject_now () - begin);
    }
  return TRUE;
}

static gboolean
measure_many (Host           *self,
              const Workload *workload,
              Samples        *samples,
              GError        **error)
{
  gboolean sleeps = g_str_equal (workload->kind, "sleep");
  g_autofree Reply *replies = g_new (Reply, workload->count);

  while (samples_want (samples))
    {
      gint64 begin = subject_now ();
      gboolean good = TRUE;

      memset (replies, 0, workload->count * sizeof *replies);
      for (guint i = 0; i < workload->count; i++)
        pyisolate_extension_call_async (self->extension, sleeps ? "sleep" : "echo",
                                        sleeps ? g_variant_new ("(d)", 0.01) : g_variant_new ("(x)", G_GINT64_CONSTANT (1)),
                                        NULL, NULL, on_reply, &replies[i]);
      for (guint i = 0; i < workload->count; i++)
        while (!replies[i].done)
          g_main_context_iteration (NULL, TRUE);
      samples_add (samples, (subject_now () - begin) / workload->count);
      for (guint i = 0; i < workload->count; i++)
        {
          g_clear_pointer (&replies[i].value, g_variant_unref);
          if (replies[i].error != NULL && good)
            g_propagate_error (error, g_steal_pointer (&replies[i].error));
          else
            g_clear_error (&replies[i].error);
          good = good && *error == NULL;
        }
      if (!good)
        return FALSE;
    }
  return TRUE;
}

/* The worker takes the time. */
static gboolean
measure_bounce (Host     *self,
                Samples  *samples,
                GError  **error)
{
  double seconds = (samples->end - subject_now ()) / 1e9;
  g_autoptr (GVariant) reply = host_call (self, "bounce", g_variant_new ("(dx)", seconds, (gint64) samples->most), error);
  const gint64 *times;
  gsize n_times;

  if (reply == NULL)
    return FALSE;
  if (!g_variant_is_of_type (reply, G_VARIANT_TYPE ("ax")))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "times are %s", g_variant_get_type_string (reply));
      return FALSE;
    }
  times = g_variant_get_fixed_array (reply, &n_times, sizeof *times);
  for (gsize i = 0; i < n_times; i++)
    samples_add (samples, times[i]);
  return TRUE;
}

static gboolean
measure (const Workload *workload,
         Samples        *samples,
         gpointer        user_data,
         GError        **error)
{
  Host *self = user_data;

  if (g_str_equal (workload->kind, "echo"))
    return measure_echo (self, samples, error);
  if (g_str_equal (workload->kind, "bounce"))
    return measure_bounce (self, samples, error);
  if (g_str_equal (workload->kind, "loaded"))
    return host_measure_load (self, workload, samples, error);
  return measure_many (self, workload, samples, error);
}

static void
answer (PyIsolateProxiedSingleton *singleton,
        PyIsolateInvocation       *invocation,
        gpointer                   user_data)
{
  g_autoptr (GVariant) value = g_variant_get_child_value (pyisolate_invocation_get_args (invocation), 0);

  pyisolate_invocation_return_value (invocation, value);
}

static gboolean
host_open (Host        *self,
           char       **argv,
           GError     **error)
{
  g_autoptr (PyIsolateProxiedSingleton) singleton = pyisolate_proxied_singleton_new ();
  g_autoptr (PyIsolateExtensionConfig) config = pyisolate_extension_config_new ("measured", argv[3]);
  const char *apis[] = { "BenchHost", NULL };

  self->is_async = g_str_equal (argv[1], "async");
  self->manager = pyisolate_extension_manager_new (argv[4]);
  pyisolate_extension_manager_set_python (self->manager, argv[2]);
  pyisolate_extension_config_set_apis (config, apis);
  if (!pyisolate_proxied_singleton_add_method (singleton, "answer", "x", NULL, answer, NULL, NULL, error) ||
      !pyisolate_extension_manager_add_singleton (self->manager, "BenchHost", singleton, error))
    return FALSE;
  self->extension = pyisolate_extension_manager_load_extension_sync (self->manager, config, NULL, error);
  return self->extension != NULL;
}

int
main (int   argc,
      char *argv[])
{
  const Subject subject = { prepare, measure };
  g_autoptr (GError) error = NULL;
  Host self = { FALSE };
  int status;

  if (argc != 5)
    {
      g_printerr ("usage: %s sync|async PYTHON EXTENSION VENV-ROOT\n", argv[0]);
      return 2;
    }
  if (!host_open (&self, argv, &error))
    {
      g_printerr ("%s\n", error->message);
      return EXIT_FAILURE;
    }
  status = subject_run (&subject, &self);
  if (!pyisolate_extension_manager_stop_all_sync (self.manager, NULL, &error))
    g_printerr ("%s\n", error->message);
  g_clear_pointer (&self.value, g_variant_unref);
  g_object_unref (self.extension);
  g_object_unref (self.manager);
  return status;
}
