/* SPDX-License-Identifier: MIT */
/* Log messages in tests: a warning or critical that nobody announced ends the test program.
 *
 * g_test_expect_message() is not enough: it wants one order over all threads, and sees no
 * structured messages.
 */
#include "config.h"

#include "test-util.h"

#include <stdio.h>

typedef struct {
  char *domain;
  char *pattern;
  GLogLevelFlags level;
  gboolean required;
} ExpectedLog;

static GMutex lock;
static GList *expected;               /* of ExpectedLog, guarded by lock */

static void
expected_log_free (gpointer data)
{
  ExpectedLog *log = data;

  g_free (log->domain);
  g_free (log->pattern);
  g_free (log);
}

static gboolean
take_expected (const char     *domain,
               GLogLevelFlags  level,
               const char     *message)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  for (GList *l = expected; l != NULL; l = l->next)
    {
      ExpectedLog *log = l->data;

      if (g_strcmp0 (log->domain, domain) != 0 || (log->level & level) == 0 ||
          !g_pattern_match_simple (log->pattern, message))
        continue;
      if (log->required)
        {
          expected = g_list_delete_link (expected, l);
          expected_log_free (log);
        }
      return TRUE;
    }
  return FALSE;
}

/* TRUE: it was announced, so nobody prints it. Does not return for a warning that was not. */
static gboolean
check_message (const char     *domain,
               GLogLevelFlags  level,
               const char     *message)
{
  GLogLevelFlags plain = level & G_LOG_LEVEL_MASK;

  if (take_expected (domain, plain, message))
    return TRUE;
  if ((plain & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) == 0)
    return FALSE;
  /* Not by g_log(): we are inside it. */
  fprintf (stderr, "# unannounced %s from %s: %s\n",
           (plain & G_LOG_LEVEL_WARNING) != 0 ? "warning" : "critical",
           domain != NULL ? domain : "(no domain)", message);
  fflush (stderr);
  abort ();
}

static void
on_plain_message (const char     *domain,
                  GLogLevelFlags  level,
                  const char     *message,
                  gpointer        user_data)
{
  if (!check_message (domain, level, message != NULL ? message : "(null)"))
    g_log_default_handler (domain, level, message, NULL);
}

static GLogWriterOutput
on_structured_message (GLogLevelFlags   level,
                       const GLogField *fields,
                       gsize            n_fields,
                       gpointer         user_data)
{
  const char *domain = NULL;
  const char *message = "(null)";

  for (gsize i = 0; i < n_fields; i++)
    {
      if (g_str_equal (fields[i].key, "GLIB_DOMAIN"))
        domain = fields[i].value;
      else if (g_str_equal (fields[i].key, "MESSAGE"))
        message = fields[i].value;
    }
  if (check_message (domain, level, message))
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_default (level, fields, n_fields, NULL);
}

void
_test_util_log_init (void)
{
  /* Ours decides; GLib's own list would abort on the announced ones too. */
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR);
  g_log_set_default_handler (on_plain_message, NULL);
  g_log_set_writer_func (on_structured_message, NULL, NULL);
}

static void
add_expected (const char     *domain,
              GLogLevelFlags  level,
              const char     *pattern,
              gboolean        required)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);
  ExpectedLog *log = g_new0 (ExpectedLog, 1);

  log->domain = g_strdup (domain);
  log->level = level;
  log->pattern = g_strdup (pattern);
  log->required = required;
  expected = g_list_append (expected, log);
}

void
test_util_expect_log (const char     *domain,
                      GLogLevelFlags  level,
                      const char     *pattern)
{
  add_expected (domain, level, pattern, TRUE);
}

void
test_util_allow_log (const char     *domain,
                     GLogLevelFlags  level,
                     const char     *pattern)
{
  add_expected (domain, level, pattern, FALSE);
}

void
test_util_assert_logs_seen (void)
{
  g_autoptr (GString) missing = g_string_new (NULL);

  g_mutex_lock (&lock);
  for (GList *l = expected; l != NULL; l = l->next)
    {
      ExpectedLog *log = l->data;

      if (log->required)
        g_string_append_printf (missing, " '%s' from %s;", log->pattern, log->domain);
    }
  g_list_free_full (g_steal_pointer (&expected), expected_log_free);
  g_mutex_unlock (&lock);
  if (missing->len > 0)
    g_error ("Expected log messages that did not come:%s", missing->str);
}
