/* mach_msg_arrays.c - arrays of port rights out of line.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_kmsg.c ipc_kmsg_copyin_ool_ports_descriptor,
 * ipc_kmsg_copyout_ool_ports_descriptor. */
#include "letter.h"

static mach_msg_return_t send_array(mach_port_t through, mach_msg_ool_ports_descriptor_t array)
{
    struct parcel parcel;
    parcel_write(&parcel, through, MACH_MSG_OOL_PORTS_DESCRIPTOR);
    parcel.ports = array;
    return rig_msg_send(&parcel.base.header, 0);
}

CASE(array_of_ports_null_and_dead_among_them)
{
    mach_port_t through = rig_port(true), port = rig_port(true), dead = rig_port(true);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), dead, MACH_PORT_RIGHT_RECEIVE, -1));
    const mach_port_t array[] = {port, MACH_PORT_NULL, dead, MACH_PORT_DEAD, port};
    struct parcel parcel;
    REQUIRE_KERN(send_array(through, rig_ports_item(array, 5, MACH_MSG_TYPE_COPY_SEND, false)));
    parcel_take(through, &parcel);
    CHECK_EQ_INT(parcel.ports.type, MACH_MSG_OOL_PORTS_DESCRIPTOR);
    CHECK_EQ_INT(parcel.ports.disposition, MACH_MSG_TYPE_PORT_SEND);
    CHECK_EQ_INT(parcel.ports.deallocate, true); /* new memory: the receiver's to free */
    CHECK_EQ_INT(parcel.ports.copy, MACH_MSG_VIRTUAL_COPY);
    REQUIRE_EQ_INT(parcel.ports.count, 5);
    const mach_port_t *got = parcel.ports.address;
    CHECK(got != array);
    CHECK_EQ_INT(got[0], port);
    CHECK_EQ_INT(got[1], MACH_PORT_NULL);
    CHECK_EQ_INT(got[2], MACH_PORT_DEAD);
    CHECK_EQ_INT(got[3], MACH_PORT_DEAD);
    CHECK_EQ_INT(got[4], port);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 3);
    pages_free(parcel.ports.address, sizeof array);
    CHECK(!is_mapped(got));
}

CASE(array_of_receive_rights_is_moved)
{
    enum { COUNT = 4 };
    mach_port_t through = rig_port(true), array[COUNT];
    struct parcel parcel;
    for (int i = 0; i < COUNT; i++) {
        array[i] = rig_port(true);
        LETTER_SEND(array[i], i);
    }
    REQUIRE_KERN(send_array(through, rig_ports_item(array, COUNT, MACH_MSG_TYPE_MOVE_RECEIVE, false)));
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ_INT(rig_port_type(array[i]), MACH_PORT_TYPE_SEND);
    parcel_take(through, &parcel);
    CHECK_EQ_INT(parcel.ports.disposition, MACH_MSG_TYPE_PORT_RECEIVE);
    REQUIRE_EQ_INT(parcel.ports.count, COUNT);
    for (int i = 0; i < COUNT; i++)
        LETTER_ARRIVES(((mach_port_t *)parcel.ports.address)[i], i);
}

CASE(array_of_send_once_rights)
{
    enum { COUNT = 3 };
    mach_port_t through = rig_port(true), port = rig_port(false), array[COUNT] = {port, port, port};
    struct parcel parcel;
    REQUIRE_KERN(send_array(through, rig_ports_item(array, COUNT, MACH_MSG_TYPE_MAKE_SEND_ONCE, false)));
    parcel_take(through, &parcel);
    REQUIRE_EQ_INT(parcel.ports.count, COUNT);
    const mach_port_t *once = parcel.ports.address;
    CHECK(once[0] != once[1] && once[1] != once[2] && once[0] != once[2]); /* each has a name of its own */
    for (int i = 0; i < COUNT; i++) {
        struct letter letter;
        letter_write(&letter, once[i], MACH_MSG_TYPE_MOVE_SEND_ONCE, i);
        CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS);
        LETTER_ARRIVES(port, i);
    }
}

CASE(empty_array)
{
    mach_port_t through = rig_port(true);
    struct parcel parcel;
    REQUIRE_KERN(send_array(through, rig_ports_item(NULL, 0, MACH_MSG_TYPE_COPY_SEND, false)));
    parcel_take(through, &parcel);
    CHECK_EQ_INT(parcel.ports.count, 0);
    CHECK(parcel.ports.address == NULL);
}

CASE(many_ports_in_one_array)
{
    enum { COUNT = 2000 };
    static mach_port_t array[COUNT];
    mach_port_t through = rig_port(true), port = rig_port(true);
    struct parcel parcel;
    for (int i = 0; i < COUNT; i++)
        array[i] = port;
    REQUIRE_KERN(send_array(through, rig_ports_item(array, COUNT, MACH_MSG_TYPE_COPY_SEND, false)));
    parcel_take(through, &parcel);
    REQUIRE_EQ_INT(parcel.ports.count, COUNT);
    CHECK_EQ_BYTES(parcel.ports.address, array, sizeof array);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), COUNT + 1);
}

CASE(array_may_be_given_away)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    mach_port_t through = rig_port(true), port = rig_port(true);
    mach_port_t *array = (void *)pages(page, 0);
    struct parcel parcel;
    array[0] = array[1] = port;
    REQUIRE_KERN(send_array(through, rig_ports_item(array, 2, MACH_MSG_TYPE_COPY_SEND, true)));
    CHECK(!is_mapped(array));
    parcel_take(through, &parcel);
    REQUIRE_EQ_INT(parcel.ports.count, 2);
    CHECK_EQ_INT(((mach_port_t *)parcel.ports.address)[1], port);
}

CASE(bad_arrays_are_refused)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    mach_port_t through = rig_port(true), moved = rig_port(true), receive_only = rig_port(false);
    uint8_t *gone = pages(page, 0);
    pages_free(gone, page);
    CHECK_KERN(send_array(through, rig_ports_item((void *)gone, 2, MACH_MSG_TYPE_COPY_SEND, false)), MACH_SEND_INVALID_MEMORY);
    const mach_port_t array[] = {moved, receive_only};
    CHECK_KERN(send_array(through, rig_ports_item(array, 2, MACH_MSG_TYPE_MOVE_SEND, false)), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ_INT(rig_port_type(moved), MACH_PORT_TYPE_RECEIVE); /* what came before the bad one is lost */
    /* 16383 rights and more */
    CHECK_KERN(send_array(through, rig_ports_item((void *)gone, 16383, MACH_MSG_TYPE_COPY_SEND, false)), MACH_SEND_TOO_LARGE);
    CHECK_KERN(send_array(through, rig_ports_item((void *)gone, 0xffffffffu, MACH_MSG_TYPE_COPY_SEND, false)),
               MACH_SEND_TOO_LARGE);
    NO_LETTER(through);
}
