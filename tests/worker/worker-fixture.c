/* SPDX-License-Identifier: MIT */
/* What a host says to a worker, from Hello to Stop. */
#include "config.h"

#include "worker-fixture-private.h"

#include "pyisolate-value-layout-private.h"

#define LINK_NUMBER 7

static gboolean
is_control (PyIsolateFrame *frame,
            const char     *name)
{
  return frame->kind == PYISOLATE_FRAME_CALL &&
         g_str_equal (frame->target, PYISOLATE_TARGET_HOST) &&
         g_str_equal (frame->name, name);
}

static GVariant *
new_settings (Worker *worker)
{
  g_auto (GVariantDict) settings = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) apis = NULL;

  apis = g_variant_parse (G_VARIANT_TYPE_VARDICT,
                          "{'host': <{'methods': <{"
                          "'echo': <{'signature': <'v'>, 'doc': <'Gives it back.'>}>,"
                          "'call_back': <@a{sv} {}>, 'fail': <@a{sv} {}>, "
                          "'silent': <@a{sv} {}>}>}>,"
                          "'open': <@a{sv} {}>}",
                          NULL, NULL, NULL);
  g_variant_dict_insert (&settings, "link", "x", (gint64) LINK_NUMBER);
  g_variant_dict_insert (&settings, "name", "s", "test");
  g_variant_dict_insert (&settings, "module_path", "s", worker->module_path);
  g_variant_dict_insert (&settings, "source_paths", "^as", worker->source_paths);
  g_variant_dict_insert (&settings, "state_directory", "s", worker->home);
  g_variant_dict_insert_value (&settings, "apis", apis);

  return g_variant_dict_end (&settings);
}

void
worker_answer_hello (Worker *worker)
{
  g_autoptr (PyIsolateFrame) hello = worker_next (worker);
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) kwargs = NULL;
  gint64 number;

  g_assert_true (is_control (hello, "Hello"));
  g_assert_cmpuint (PYISOLATE_CALL_ID_LINK (hello->id), ==, G_MAXUINT32);
  body = worker_dup_body (hello, PYISOLATE_BODY_CALL);
  kwargs = g_variant_get_child_value (body, 1);
  g_assert_true (g_variant_lookup (kwargs, "protocol", "x", &number));
  g_assert_cmpint (number, ==, 1);
  g_assert_true (g_variant_lookup (kwargs, "pid", "x", &number));
  g_assert_cmpint (number, ==, worker_get_pid (worker));
  g_assert_cmpint (g_variant_lookup (kwargs, "lanes", "x", &number), ==, worker->lane != NULL);

  worker_send_variant (worker, hello->id, new_settings (worker));
}

static GVariant *
expect_control (Worker     *worker,
                const char *name)
{
  for (;;)
    {
      g_autoptr (PyIsolateFrame) frame = worker_next (worker);
      g_autoptr (GVariant) body = NULL;

      if (frame->kind != PYISOLATE_FRAME_CALL ||
          !g_str_equal (frame->target, PYISOLATE_TARGET_HOST))
        {
          if (!worker_handle_in_passing (worker, frame))
            g_ptr_array_add (worker->seen, g_steal_pointer (&frame));
          continue;
        }

      body = worker_dup_body (frame, PYISOLATE_BODY_CALL);
      if (!is_control (frame, name))
        {
          g_autofree char *text = g_variant_print (body, FALSE);

          worker_fail (worker, "%s in place of %s: %s", frame->name, name, text);
        }
      g_assert_cmpuint (PYISOLATE_CALL_ID_LINK (frame->id), ==, LINK_NUMBER);
      worker_answer (worker, frame->id, "objectpath '" PYISOLATE_TAG_NONE "'");
      return g_variant_get_child_value (body, 1);
    }
}

GVariant *
worker_expect_ready (Worker *worker)
{
  g_autoptr (GVariant) kwargs = expect_control (worker, "Ready");

  worker->methods = g_variant_lookup_value (kwargs, "methods", NULL);
  g_assert_nonnull (worker->methods);

  return worker->methods;
}

GVariant *
worker_expect_load_failed (Worker *worker)
{
  return expect_control (worker, "LoadFailed");
}

Worker *
worker_new (const char *python,
            const char *name)
{
  g_autofree char *path = worker_extension_path (name);
  Worker *worker = worker_start (python, path);

  worker_answer_hello (worker);
  worker_expect_ready (worker);

  return worker;
}

GVariant *
worker_get_methods (Worker *worker)
{
  return worker->methods;
}

GVariant *
worker_dup_method (Worker     *worker,
                   const char *name)
{
  for (gsize i = 0; i < g_variant_n_children (worker->methods); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (worker->methods, i);
      gboolean boxed = g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT);
      g_autoptr (GVariant) dict = boxed ? g_variant_get_variant (child) : g_variant_ref (child);
      const char *its_name = NULL;

      g_assert_true (g_variant_lookup (dict, "name", "&s", &its_name));
      if (g_str_equal (its_name, name))
        return g_steal_pointer (&dict);
    }

  return NULL;
}

guint64
worker_call_full (Worker        *worker,
                  const char    *target,
                  const char    *method,
                  const char    *args,
                  const char    *kwargs,
                  const guint64 *chain,
                  guint          n_chain)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, ++worker->last_id);
  g_autofree char *text = g_strdup_printf ("(@av [%s], @a{sv} {%s})", args, kwargs);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) body = g_variant_parse (G_VARIANT_TYPE (PYISOLATE_BODY_CALL), text, NULL,
                                               NULL, &error);
  guint64 id = frame->id;

  g_assert_no_error (error);
  frame->target = g_strdup (target);
  frame->name = g_strdup (method);
  _pyisolate_frame_set_chain (frame, chain, n_chain);
  _pyisolate_frame_set_variant (frame, body);
  worker_send (worker, frame);

  return id;
}

guint64
worker_call_with_fd (Worker     *worker,
                     const char *target,
                     const char *method,
                     const char *args,
                     int         take_fd)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, ++worker->last_id);
  g_autofree char *text = g_strdup_printf ("(@av [%s], @a{sv} {})", args);
  guint64 id = frame->id;

  frame->target = g_strdup (target);
  frame->name = g_strdup (method);
  _pyisolate_frame_set_variant (frame, g_variant_new_parsed (text));
  _pyisolate_frame_take_fds (frame, g_memdup2 (&take_fd, sizeof take_fd), 1);
  worker_send (worker, frame);

  return id;
}

guint64
worker_call (Worker     *worker,
             const char *method,
             const char *args)
{
  return worker_call_full (worker, "", method, args, "", NULL, 0);
}

void
worker_cancel (Worker  *worker,
               guint64  id)
{
  worker_send (worker, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, id));
}

void
worker_finish (Worker *worker)
{
  guint64 id = worker_call_full (worker, PYISOLATE_TARGET_WORKER, "Stop", "", "", NULL, 0);

  worker_assert_answer (worker, id, "'" PYISOLATE_TAG_NONE "'");
  if (worker_wait_exit (worker) != 0)
    worker_fail (worker, "It did not exit with 0 after Stop");
  worker_free (worker);
}
