/* SPDX-License-Identifier: MIT */
/* Two connected transports, and what arrives at each of them. */
#pragma once

#include "lane-reader.h"
#include "link-box.h"
#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-endpoint-private.h"

G_BEGIN_DECLS

typedef enum {
  LINK_DBUS,
  LINK_PLAIN, /* plain-transport.h */
  LINK_LANE,
  LINK_N_KINDS
} LinkKind;

typedef enum {
  LINK_CAREFUL,
  LINK_CARELESS, /* the far end keeps no books: careless-transport.h */
  LINK_DEAF,     /* it is a socket that nobody reads, and has no transport */
} LinkPeer;

typedef struct _LinkSide LinkSide;
typedef struct _LinkPair LinkPair;

/* In the transport's thread. TRUE: it took the frame. */
typedef gboolean (*LinkHook) (LinkSide       *side,
                              PyIsolateFrame *frame,
                              gpointer        data);

struct _LinkSide {
  PyIsolateTransport *transport;
  LaneReader *reader; /* of a lane */
  PyIsolateEndpoint *endpoint;
  LinkBox *box;
  LinkHook hook;      /* guarded by the box's mutex */
  gpointer hook_data; /* the same */
  gboolean started;
};

struct _LinkPair {
  LinkSide host;
  LinkSide worker;
  int deaf_fd; /* of a deaf far end, or -1 */
};

extern const char *const link_kind_names[LINK_N_KINDS];

typedef void (*LinkKindFunc) (LinkKind  kind);
typedef void (*LinkPairFunc) (LinkPair *pair);

/* In place of test_util_init(). */
void            link_test_init           (int        *argc,
                                          char     ***argv);
/* A test for each kind of link, "/pyisolate/GROUP/KIND/NAME"; */
void            link_test_add            (const char  *group,
                                          const char  *name,
                                          LinkKindFunc func);
/* the same with a pair that is there already; and for one kind of link only. */
void            link_test_add_for_pair   (const char  *group,
                                          const char  *name,
                                          LinkPeer     peer,
                                          LinkPairFunc func);
void            link_test_add_for_one    (const char  *group,
                                          const char  *name,
                                          LinkKind     kind,
                                          LinkPeer     peer,
                                          LinkPairFunc func);
LinkPair       *link_pair_new            (LinkKind    kind,
                                          LinkPeer    peer);
/* Over D-Bus, with other limits than a host's. */
LinkPair       *link_pair_new_limited    (LinkPeer    peer,
                                          const PyIsolateDBusLimits *limits);
/* Closes both ends, waits for it, and sees that everything goes. */
void            link_pair_free           (LinkPair   *pair);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LinkPair, link_pair_free)

/* Other threads may drop their references a moment later; if one does not, that is a leak. */
void            link_unref_last          (gpointer    object);

/* Frames come from the transport itself, */
void            link_side_start          (LinkSide   *side);
/* or from an endpoint; when the link closes it fails with DIED. */
void            link_side_start_endpoint (LinkSide   *side,
                                          guint32     peer_link);
void            link_pair_start_both     (LinkPair   *pair);
void            link_side_set_hook       (LinkSide   *side,
                                          LinkHook    hook,
                                          gpointer    data);
void            link_side_send           (LinkSide   *side,
                                          PyIsolateFrame *frame);
/* Waits until it is closed, which must be for a reason of this code that says this. */
void            link_side_assert_ended   (LinkSide   *side,
                                          int         code,
                                          const char *what);

/* A call of @side's whose answer goes into @box, which it keeps until then. */
void            link_side_call           (LinkSide   *side,
                                          PyIsolateFrame *frame,
                                          LinkBox    *box);
gboolean        link_side_try_call       (LinkSide   *side,
                                          PyIsolateFrame *frame,
                                          LinkBox    *box,
                                          GError    **error);

/* The link still works, and all that came before has been seen: a call with that id gets an answer. Both have endpoints. */
void            link_side_assert_alive   (LinkSide   *from,
                                          LinkSide   *to,
                                          guint64     id);

G_END_DECLS
