/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lane-reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FRAMES_AT_ONCE 16

struct _LaneReader {
  PyIsolateLane *lane;
  GThread *thread;
  int wake_fd;
};

static void
on_waiting (PyIsolateLane *lane,
            gpointer       data)
{
  LaneReader *reader = data;
  guint64 one = 1;

  g_assert_cmpint (write (reader->wake_fd, &one, sizeof one), ==, sizeof one);
}

static gpointer
read_until_end (gpointer data)
{
  LaneReader *reader = data;

  while (!_pyisolate_lane_is_ended (reader->lane))
    {
      gboolean wants_write = _pyisolate_lane_wants_write (reader->lane);
      struct pollfd fds[] = {
        { _pyisolate_lane_get_fd (reader->lane), POLLIN, 0 },
        { reader->wake_fd, POLLIN, 0 },
        { wants_write ? _pyisolate_lane_get_socket (reader->lane) : -1, POLLOUT, 0 },
      };
      guint64 number;

      g_assert_cmpint (TEMP_FAILURE_RETRY (poll (fds, G_N_ELEMENTS (fds), -1)), >, 0);
      if (fds[1].revents != 0)
        g_assert_cmpint (read (reader->wake_fd, &number, sizeof number), ==, sizeof number);
      if ((fds[2].revents & POLLOUT) != 0)
        _pyisolate_lane_flush (reader->lane);
      if (fds[0].revents != 0)
        {
          while (_pyisolate_lane_receive_ready (reader->lane, FRAMES_AT_ONCE))
            ;
        }
    }

  g_clear_object (&reader->lane);
  return NULL;
}

LaneReader *
lane_reader_new (PyIsolateLane *lane)
{
  LaneReader *reader = g_new0 (LaneReader, 1);

  reader->lane = g_object_ref (lane);
  reader->wake_fd = eventfd (0, EFD_CLOEXEC);
  g_assert_no_errno (reader->wake_fd);
  _pyisolate_lane_set_waiting_func (lane, on_waiting, reader);

  return reader;
}

void
lane_reader_start (LaneReader *reader)
{
  reader->thread = g_thread_new ("lane-reader", read_until_end, reader);
}

void
lane_reader_free (LaneReader *reader)
{
  if (reader->thread != NULL)
    g_thread_join (reader->thread);
  g_clear_object (&reader->lane);
  close (reader->wake_fd);
  g_free (reader);
}
