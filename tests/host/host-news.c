/* SPDX-License-Identifier: MIT */
/* Keeps what an extension tells, and waits for it. */
#include "config.h"

#include "host-fixture.h"

static void
on_log (PyIsolateExtension *extension,
        PyIsolateLogLevel   level,
        const char         *logger,
        const char         *message,
        HostNews           *news)
{
  g_ptr_array_add (news->lines, g_strdup_printf ("%s|%d|%s", logger, level, message));
}

static void
on_event (PyIsolateExtension *extension,
          const char         *name,
          GVariant           *value,
          HostNews           *news)
{
  g_autofree char *printed = g_variant_print (value, FALSE);

  g_ptr_array_add (news->events, g_strdup_printf ("%s|%s", name, printed));
}

static void
on_notify_state (PyIsolateExtension *extension,
                 GParamSpec         *pspec,
                 HostNews           *news)
{
  g_ptr_array_add (news->states, GINT_TO_POINTER (pyisolate_extension_get_state (extension)));
}

static void
on_exited (PyIsolateExtension  *extension,
           PyIsolateExitReason *reason,
           HostNews            *news)
{
  news->n_exited++;
  g_set_object (&news->reason, reason);
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
}

HostNews *
host_news_new (PyIsolateExtension *extension)
{
  HostNews *news = g_new0 (HostNews, 1);

  news->lines = g_ptr_array_new_with_free_func (g_free);
  news->events = g_ptr_array_new_with_free_func (g_free);
  news->states = g_ptr_array_new ();
  g_signal_connect (extension, "log", G_CALLBACK (on_log), news);
  g_signal_connect (extension, "event", G_CALLBACK (on_event), news);
  g_signal_connect (extension, "notify::state", G_CALLBACK (on_notify_state), news);
  g_signal_connect (extension, "exited", G_CALLBACK (on_exited), news);
  g_object_add_weak_pointer (G_OBJECT (extension), (gpointer *) &news->extension);
  news->extension = extension;

  return news;
}

void
host_news_free (HostNews *news)
{
  if (news->extension != NULL)
    {
      g_signal_handlers_disconnect_by_data (news->extension, news);
      g_object_remove_weak_pointer (G_OBJECT (news->extension), (gpointer *) &news->extension);
    }
  g_ptr_array_unref (news->lines);
  g_ptr_array_unref (news->events);
  g_ptr_array_unref (news->states);
  g_clear_object (&news->reason);
  g_free (news);
}

typedef struct {
  GPtrArray *array;
  const char *pattern;
} PatternWait;

static gboolean
has_match (gpointer data)
{
  PatternWait *wait = data;

  for (guint i = 0; i < wait->array->len; i++)
    {
      if (g_pattern_match_simple (wait->pattern, g_ptr_array_index (wait->array, i)))
        return TRUE;
    }

  return FALSE;
}

static void
wait_match (GPtrArray  *array,
            const char *pattern)
{
  PatternWait wait = { array, pattern };

  if (test_util_run_until (has_match, &wait, HOST_TEST_TIMEOUT_MS))
    return;

  for (guint i = 0; i < array->len; i++)
    g_printerr ("# %s\n", (const char *) g_ptr_array_index (array, i));
  g_error ("There was no “%s”", pattern);
}

void
host_news_wait_line (HostNews   *news,
                     const char *line)
{
  wait_match (news->lines, line);
}

void
host_news_wait_event (HostNews   *news,
                      const char *event)
{
  wait_match (news->events, event);
}

static gboolean
has_exited (gpointer data)
{
  return ((HostNews *) data)->n_exited > 0;
}

void
host_news_wait_exited (HostNews          *news,
                       PyIsolateExitKind  kind,
                       int                status)
{
  test_util_assert_until (has_exited, news, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpuint (news->n_exited, ==, 1);
  g_assert_cmpint (pyisolate_exit_reason_get_kind (news->reason), ==, kind);
  g_assert_cmpint (pyisolate_exit_reason_get_status (news->reason), ==, status);
}
