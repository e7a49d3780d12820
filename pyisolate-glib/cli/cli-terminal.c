/* SPDX-License-Identifier: MIT */
/* The standard error has one owner, so that a line never lands in the middle of the bar. Only the
 * main thread writes. */
#include "config.h"

#include "cli-terminal.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_CELLS 24
#define DEFAULT_COLUMNS 80
/* A bar that is drawn more often than this is only work for the terminal. */
#define REDRAW_INTERVAL_US (50 * 1000)

static struct {
  CliProgressStyle style;
  gboolean drawn;
  double fraction;
  char *text;
  gint64 drawn_at;
} terminal;

void
cli_terminal_init (gboolean verbose)
{
  if (verbose)
    terminal.style = CLI_PROGRESS_LINES;
  else if (isatty (STDERR_FILENO) && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0)
    terminal.style = CLI_PROGRESS_BAR;
  else
    terminal.style = CLI_PROGRESS_QUIET;
}

/* An extension's output must not move the cursor, retitle the window or answer for the user. */
char *
cli_terminal_escape (const char *line)
{
  g_autofree char *valid = g_utf8_make_valid (line, -1);
  GString *out = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == '\t' || (c >= 0x20 && c < 0x7f) || c >= 0xa0)
        g_string_append_unichar (out, c);
      else
        g_string_append_printf (out, "\\x%02x", c);
    }
  return g_string_free (out, FALSE);
}

static int
columns (void)
{
  struct winsize size;

  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return DEFAULT_COLUMNS;
}

/* As many characters as fit: a line that wraps cannot be cleared. */
static char *
fit (const char *text,
     int         width)
{
  const char *p = text;

  for (int used = 0; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      used += g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
      if (used > width)
        break;
    }
  return g_strndup (text, (gsize) (p - text));
}

static void
draw_bar (void)
{
  char cells[BAR_CELLS + 1];
  int full = (int) (terminal.fraction * BAR_CELLS);
  g_autofree char *line = NULL;
  g_autofree char *cut = NULL;

  memset (cells, '-', BAR_CELLS);
  memset (cells, '#', (gsize) full);
  cells[BAR_CELLS] = '\0';
  line = g_strdup_printf ("[%s] %3d%% %s", cells, (int) (terminal.fraction * 100), terminal.text);
  cut = fit (line, columns () - 1);
  fprintf (stderr, "\r\033[K%s", cut);
  fflush (stderr);
  terminal.drawn = TRUE;
  terminal.drawn_at = g_get_monotonic_time ();
}

static void
erase_bar (void)
{
  if (!terminal.drawn)
    return;
  fputs ("\r\033[K", stderr);
  fflush (stderr);
  terminal.drawn = FALSE;
}

void
cli_terminal_clear (void)
{
  erase_bar ();
  g_clear_pointer (&terminal.text, g_free);
}

void
cli_terminal_print (const char *prefix,
                    const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = g_strv_length (lines);

  erase_bar ();
  /* The end of the last line is not one more line. */
  if (n > 1 && *lines[n - 1] == '\0')
    n--;
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *escaped = cli_terminal_escape (lines[i]);

      fprintf (stderr, "%s%s\n", prefix, escaped);
    }
  fflush (stderr);
  if (terminal.text != NULL && terminal.style == CLI_PROGRESS_BAR)
    draw_bar ();
}

void
cli_terminal_error (const char *format,
                    ...)
{
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  line = g_strconcat ("pyisolate: ", text, NULL);
  cli_terminal_print ("", line);
}

void
cli_terminal_progress (double      fraction,
                       const char *text)
{
  g_autofree char *escaped = cli_terminal_escape (text);
  gboolean same_text = g_strcmp0 (escaped, terminal.text) == 0;

  if (terminal.style == CLI_PROGRESS_QUIET)
    return;
  /* Not a number compares false with everything. */
  terminal.fraction = fraction >= 0 ? MIN (fraction, 1) : 0;
  if (!same_text)
    {
      g_free (terminal.text);
      terminal.text = g_steal_pointer (&escaped);
    }
  if (terminal.style == CLI_PROGRESS_LINES)
    {
      if (!same_text && *terminal.text != '\0')
        fprintf (stderr, "%s\n", terminal.text);
      return;
    }
  if (!same_text || !terminal.drawn
      || g_get_monotonic_time () - terminal.drawn_at >= REDRAW_INTERVAL_US)
    draw_bar ();
}
