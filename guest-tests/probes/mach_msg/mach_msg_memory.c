/* mach_msg_memory.c - memory out of line: copied, moved, copied on write.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_kmsg.c ipc_kmsg_copyin_ool_descriptor, ipc_kmsg_copyout_ool_descriptor. */
#include "letter.h"

#include "mach_memory.h"

#include <sys/mman.h>

enum { MIB = 1 << 20 };

static mach_msg_return_t send_memory(mach_port_t through, mach_msg_ool_descriptor_t memory)
{
    struct parcel parcel;
    parcel_write(&parcel, through, MACH_MSG_OOL_DESCRIPTOR);
    parcel.memory = memory;
    return rig_msg_send(&parcel.base.header, 0);
}

static mach_msg_ool_descriptor_t take_memory(mach_port_t through)
{
    struct parcel parcel;
    parcel_take(through, &parcel);
    return parcel.memory;
}

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

CASE(memory_of_all_sizes_is_copied, .deadline = 20)
{
    static const size_t sizes[] = {1, 3, 4095, 4096, 4097, 8192, 65536, 100001, MIB};
    static const mach_msg_copy_options_t options[] = {MACH_MSG_PHYSICAL_COPY, MACH_MSG_VIRTUAL_COPY};
    mach_port_t through = rig_port(true);
    uint8_t *bytes = pages(MIB, 3);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++)
        for (size_t j = 0; j < RIG_COUNT(options); j++) {
            if (!CHECK_KERN(send_memory(through, rig_memory_item(bytes, sizes[i], false, options[j])), MACH_MSG_SUCCESS))
                continue;
            mach_msg_ool_descriptor_t got = take_memory(through);
            CHECK_EQ_INT(got.type, MACH_MSG_OOL_DESCRIPTOR);
            CHECK_EQ_INT(got.size, sizes[i]);
            CHECK_EQ_INT(got.copy, options[j]);
            CHECK_EQ_INT(got.deallocate, options[j] == MACH_MSG_VIRTUAL_COPY); /* "yours to free" */
            REQUIRE(got.address != NULL && got.address != bytes);
            CHECK(pattern_is(got.address, sizes[i], 3));
            pages_free(got.address, sizes[i]);
            CHECK(!is_mapped(got.address));
        }
    CHECK(pattern_is(bytes, MIB, 3));
}

CASE(memory_of_size_zero)
{
    mach_port_t through = rig_port(true);
    REQUIRE_KERN(send_memory(through, rig_memory_item((void *)8, 0, false, MACH_MSG_VIRTUAL_COPY))); /* not looked at */
    mach_msg_ool_descriptor_t got = take_memory(through);
    CHECK(got.address == NULL);
    CHECK_EQ_INT(got.size, 0);
    CHECK_EQ_INT(got.type, MACH_MSG_OOL_DESCRIPTOR);
}

CASE(unaligned_memory_is_copied)
{
    static const size_t sizes[] = {1, 100, 5000, 70001};
    mach_port_t through = rig_port(true);
    uint8_t *bytes = pages(1 << 17, 0);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        uint8_t *odd = bytes + 4093;
        pattern_fill(odd, sizes[i], 9);
        if (!CHECK_KERN(send_memory(through, rig_memory_item(odd, sizes[i], false, MACH_MSG_VIRTUAL_COPY)), MACH_MSG_SUCCESS))
            continue;
        mach_msg_ool_descriptor_t got = take_memory(through);
        CHECK_EQ_INT(got.size, sizes[i]);
        CHECK(pattern_is(got.address, sizes[i], 9));
    }
}

/* Bytes of the last page that were not sent must not be seen: they may be anybody's. */
CASE(rest_of_the_last_page_is_not_sent)
{
    mach_port_t through = rig_port(true);
    uint8_t *bytes = pages(page_size(), 0);
    memset(bytes, 0x77, page_size());
    for (int i = 0; i < 2; i++) {
        REQUIRE_KERN(send_memory(through, rig_memory_item(bytes, 100, false, i ? MACH_MSG_VIRTUAL_COPY : MACH_MSG_PHYSICAL_COPY)));
        mach_msg_ool_descriptor_t got = take_memory(through);
        const uint8_t *page = (const uint8_t *)((uintptr_t)got.address & ~(page_size() - 1));
        size_t at = (size_t)((const uint8_t *)got.address - page), seen = 0;
        for (size_t k = at + 100; k < page_size(); k++)
            seen += page[k] == 0x77;
        CHECK_EQ_INT(seen, 0);
    }
}

/* Writes after the send stay with the side that wrote, whatever the kernel shares underneath. */
static void write_on_both_sides(mach_msg_copy_options_t copy, size_t size)
{
    mach_port_t through = rig_port(true);
    uint8_t *bytes = pages(size, 20);
    REQUIRE_KERN(send_memory(through, rig_memory_item(bytes, size, false, copy)));
    memset(bytes, 0xaa, size); /* before it is received */
    mach_msg_ool_descriptor_t got = take_memory(through);
    uint8_t *theirs = got.address;
    CHECK(pattern_is(theirs, size, 20));
    theirs[0] = theirs[size - 1] = 0xbb;
    CHECK_EQ_INT(bytes[0], 0xaa);
    CHECK_EQ_INT(bytes[size - 1], 0xaa);
    memset(bytes, 0xcc, size); /* and after */
    CHECK_EQ_INT(theirs[0], 0xbb);
    CHECK_EQ_INT(theirs[1], (uint8_t)21);
    CHECK_EQ_INT(theirs[size - 1], 0xbb);
}

CASE(copy_on_write_is_kept)
{
    static const size_t sizes[] = {4096, 32768, MIB};
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        write_on_both_sides(MACH_MSG_VIRTUAL_COPY, sizes[i]);
        write_on_both_sides(MACH_MSG_PHYSICAL_COPY, sizes[i]);
    }
}

/* Shared memory cannot be copied on write for one mapping alone: the copy must still be one. */
CASE(shared_memory_is_copied_too)
{
    enum { SIZE = 1 << 17 };
    mach_port_t through = rig_port(true);
    uint8_t *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
    REQUIRE(bytes != MAP_FAILED);
    pattern_fill(bytes, SIZE, 1);
    REQUIRE_KERN(send_memory(through, rig_memory_item(bytes, SIZE, false, MACH_MSG_VIRTUAL_COPY)));
    memset(bytes, 0, SIZE);
    mach_msg_ool_descriptor_t got = take_memory(through);
    CHECK(pattern_is(got.address, SIZE, 1));
    ((uint8_t *)got.address)[5] = 0xee;
    CHECK_EQ_INT(bytes[5], 0);
}

CASE(moved_memory_leaves_the_sender)
{
    static const size_t sizes[] = {4096, 65536, MIB};
    static const mach_msg_copy_options_t options[] = {MACH_MSG_PHYSICAL_COPY, MACH_MSG_VIRTUAL_COPY};
    mach_port_t through = rig_port(true);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++)
        for (size_t j = 0; j < RIG_COUNT(options); j++) {
            uint8_t *bytes = pages(sizes[i], 7);
            if (!CHECK_KERN(send_memory(through, rig_memory_item(bytes, sizes[i], true, options[j])), MACH_MSG_SUCCESS))
                continue;
            CHECK(!is_mapped(bytes));
            CHECK(!is_mapped(bytes + sizes[i] - 1));
            mach_msg_ool_descriptor_t got = take_memory(through);
            CHECK_EQ_INT(got.size, sizes[i]);
            CHECK(pattern_is(got.address, sizes[i], 7));
            ((uint8_t *)got.address)[0]++; /* it may be written */
        }
}

CASE(unreadable_memory_is_refused)
{
    mach_port_t through = rig_port(true);
    size_t page = page_size();
    uint8_t *bytes = pages(3 * page, 0);
    pages_free(bytes + page, page); /* a hole */
    CHECK_KERN(send_memory(through, rig_memory_item(bytes + page, page, false, MACH_MSG_VIRTUAL_COPY)), MACH_SEND_INVALID_MEMORY);
    CHECK_KERN(send_memory(through, rig_memory_item(bytes, 3 * page, false, MACH_MSG_VIRTUAL_COPY)), MACH_SEND_INVALID_MEMORY);
    CHECK_KERN(send_memory(through, rig_memory_item(bytes, 3 * page, false, MACH_MSG_PHYSICAL_COPY)), MACH_SEND_INVALID_MEMORY);
    CHECK_KERN(send_memory(through, rig_memory_item(NULL, 16, false, MACH_MSG_VIRTUAL_COPY)), MACH_SEND_INVALID_MEMORY);
    uint8_t *closed = mmap(NULL, 4 * page, PROT_NONE, MAP_ANON | MAP_PRIVATE, -1, 0);
    REQUIRE(closed != MAP_FAILED);
    CHECK_KERN(send_memory(through, rig_memory_item(closed, 4 * page, false, MACH_MSG_VIRTUAL_COPY)), MACH_SEND_INVALID_MEMORY);
    NO_LETTER(through);
    CHECK(pattern_is(bytes, page, 0));
}

/* Only what must be copied at once is limited: 7/8 of the kernel's 8 MiB map for it. */
CASE(physical_copies_are_limited_virtual_ones_not, .deadline = 30)
{
    enum { SIZE = 8 * MIB };
    mach_port_t through = rig_port(true);
    uint8_t *bytes = pages(SIZE, 11);
    CHECK_KERN(send_memory(through, rig_memory_item(bytes, SIZE, false, MACH_MSG_PHYSICAL_COPY)), MACH_MSG_VM_KERNEL);
    NO_LETTER(through);
    CHECK_KERN(send_memory(through, rig_memory_item(bytes, SIZE, false, MACH_MSG_VIRTUAL_COPY)), MACH_MSG_SUCCESS);
    mach_msg_ool_descriptor_t got = take_memory(through);
    CHECK_EQ_INT(got.size, SIZE);
    CHECK(pattern_is(got.address, SIZE, 11));
}

CASE(volatile_descriptors_are_copied_alike)
{
    mach_port_t through = rig_port(true);
    mach_msg_ool_descriptor_t item = rig_memory_item("may change while it is read", 28, false, MACH_MSG_VIRTUAL_COPY);
    item.type = MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
    REQUIRE_KERN(send_memory(through, item));
    mach_msg_ool_descriptor_t got = take_memory(through);
    CHECK_EQ_INT(got.type, MACH_MSG_OOL_VOLATILE_DESCRIPTOR);
    CHECK_EQ_STR(got.address, "may change while it is read");
}

CASE(received_memory_can_be_written_and_sent_on)
{
    enum { SIZE = 20000 };
    mach_port_t through = rig_port(true);
    uint8_t *bytes = pages(SIZE, 1);
    CHECK_KERN(rig_vm_protect(rig_task(), (mach_vm_address_t)(uintptr_t)bytes, SIZE, false, VM_PROT_READ), KERN_SUCCESS);
    for (int hop = 0; hop < 5; hop++) { /* the receiver's rights do not follow from the sender's */
        REQUIRE_KERN(send_memory(through, rig_memory_item(bytes, SIZE, hop > 0, MACH_MSG_VIRTUAL_COPY)));
        bytes = take_memory(through).address;
        CHECK(pattern_is(bytes, SIZE, (uint8_t)(1 + hop)));
        pattern_fill(bytes, SIZE, (uint8_t)(2 + hop));
    }
}

/* References to the memory object behind a page of this task. */
static int object_references(const void *address)
{
    mach_vm_address_t at = (mach_vm_address_t)(uintptr_t)address;
    mach_vm_size_t size = 0;
    vm_region_top_info_data_t info;
    mach_msg_type_number_t count = VM_REGION_TOP_INFO_COUNT;
    mach_port_t object = MACH_PORT_NULL;
    REQUIRE_KERN(mach_vm_region(rig_task(), &at, &size, VM_REGION_TOP_INFO, (vm_region_info_t)&info, &count, &object));
    return (int)info.ref_count;
}

CASE(memory_dies_with_the_queue)
{
    uint8_t *bytes = pages(MIB, 0);
    mach_port_t through = rig_port(true);
    int before = object_references(bytes);
    REQUIRE_KERN(send_memory(through, rig_memory_item(bytes, MIB, false, MACH_MSG_VIRTUAL_COPY)));
    CHECK_EQ_INT(object_references(bytes), before + 1); /* the message holds it */
    CHECK_KERN(mach_port_mod_refs(rig_task(), through, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ_INT(object_references(bytes), before);
}
