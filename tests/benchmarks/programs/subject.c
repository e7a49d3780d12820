/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

gint64
subject_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

/* Whether there is time for another one; the first is always wanted. */
gboolean
samples_want (Samples *samples)
{
  return samples->nanoseconds->len == 0 ||
         (samples->nanoseconds->len < samples->most && subject_now () < samples->end);
}

void
samples_add (Samples *samples,
             gint64   nanoseconds)
{
  g_array_append_val (samples->nanoseconds, nanoseconds);
}

static void
reply_samples (Samples *samples)
{
  for (guint i = 0; i < samples->nanoseconds->len; i++)
    printf ("%s%" G_GINT64_FORMAT, i > 0 ? " " : "", g_array_index (samples->nanoseconds, gint64, i));
  printf ("\n");
}

static void
reply_failure (GError *error)
{
  g_strdelimit (error->message, "\n", ' ');
  printf ("failed %s: %s\n", g_quark_to_string (error->domain), error->message);
}

static void
workload_set (Workload *workload,
              char    **words)
{
  g_free (workload->name);
  g_free (workload->kind);
  workload->name = g_strdup (words[1]);
  workload->kind = g_strdup (words[2]);
  workload->n_bytes = g_ascii_strtoull (words[3], NULL, 10);
  workload->count = MAX (1, atoi (words[4]));
}

static void
handle (const Subject *subject,
        gpointer       user_data,
        Workload      *workload,
        Samples       *samples,
        char         **words)
{
  g_autoptr (GError) error = NULL;
  guint n_words = g_strv_length (words);
  const char *cannot = NULL;

  if (n_words == 5 && g_str_equal (words[0], "prepare"))
    {
      workload_set (workload, words);
      if (!subject->prepare (workload, &cannot, user_data, &error))
        reply_failure (error);
      else if (cannot != NULL)
        printf ("cannot %s\n", cannot);
      else
        printf ("ok\n");
    }
  else if (n_words == 4 && g_str_equal (words[0], "measure"))
    {
      g_array_set_size (samples->nanoseconds, 0);
      samples->end = subject_now () + (gint64) (g_ascii_strtod (words[2], NULL) * 1e9);
      samples->most = MAX (1, atoi (words[3]));
      if (!subject->measure (workload, samples, user_data, &error))
        reply_failure (error);
      else
        printf ("ok %u\n", samples->nanoseconds->len);
    }
  else if (n_words == 1 && g_str_equal (words[0], "samples"))
    reply_samples (samples);
  else if (n_words >= 1 && g_str_equal (words[0], "workers"))
    printf ("cannot the hosts in Python tell it\n");
  else
    printf ("ok\n");
}

int
subject_run (const Subject *subject,
             gpointer       user_data)
{
  Workload workload = { NULL };
  Samples samples = { .nanoseconds = g_array_new (FALSE, FALSE, sizeof (gint64)) };
  char *line = NULL;
  size_t size = 0;

  printf ("ok\n");
  fflush (stdout);
  while (getline (&line, &size, stdin) > 0)
    {
      g_auto (GStrv) words = g_strsplit (g_strchomp (line), " ", -1);

      if (g_str_equal (words[0], "stop"))
        break;
      handle (subject, user_data, &workload, &samples, words);
      fflush (stdout);
    }
  free (line);
  g_array_unref (samples.nanoseconds);
  g_free (workload.name);
  g_free (workload.kind);
  return EXIT_SUCCESS;
}
