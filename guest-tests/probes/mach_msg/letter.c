/* letter.c - see letter.h. */
#include "letter.h"

#include "mach_memory.h"

void letter_write(struct letter *letter, mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id)
{
    memset(letter, 0, sizeof *letter);
    rig_msg_to(&letter->head, to, how, id, LETTER_SIZE);
    for (int i = 0; i < WORDS; i++)
        letter->word[i] = (uint32_t)id * 2654435761u + (uint32_t)i;
}

bool letter_is(const struct letter *letter, mach_msg_id_t id)
{
    struct letter want;
    letter_write(&want, MACH_PORT_NULL, 0, id);
    return letter->head.msgh_id == id && letter->head.msgh_size == LETTER_SIZE &&
           memcmp(letter->word, want.word, sizeof want.word) == 0;
}

mach_msg_return_t letter_post(mach_port_t to, mach_msg_id_t id, mach_msg_timeout_t timeout_ms)
{
    struct letter letter;
    letter_write(&letter, to, MACH_MSG_TYPE_COPY_SEND, id);
    mach_msg_return_t result = rig_msg_send(&letter.head, timeout_ms);
    if (result == MACH_SEND_TIMED_OUT || result == MACH_SEND_INTERRUPTED)
        mach_port_deallocate(rig_task(), letter.head.msgh_remote_port); /* the copied right came back with the message */
    return result;
}

mach_msg_return_t letter_take(mach_port_t from, struct letter *letter, mach_msg_timeout_t timeout_ms)
{
    memset(letter, 0, sizeof *letter);
    return rig_msg_receive(&letter->head, sizeof *letter, from, timeout_ms);
}

bool letter_send_at(struct rig_at at, mach_port_t to, mach_msg_id_t id)
{
    return rig_check_kern(at, letter_post(to, id, 0), MACH_MSG_SUCCESS);
}

bool letter_arrives_at(struct rig_at at, mach_port_t from, mach_msg_id_t id)
{
    struct letter letter;
    if (!rig_check_kern(at, letter_take(from, &letter, rig_msg_patience()), MACH_MSG_SUCCESS))
        return false;
    rig_check_int(at, letter.head.msgh_id, "==", id, letter.head.msgh_id == id);
    return rig_check_true(at, letter_is(&letter, id));
}

bool letter_none_at(struct rig_at at, mach_port_t from)
{
    struct letter letter;
    return rig_check_kern(at, letter_take(from, &letter, 0), MACH_RCV_TIMED_OUT);
}

int letters_fill(mach_port_t to)
{
    int sent = 0;
    while (sent < 2000 && letter_post(to, sent, 0) == MACH_MSG_SUCCESS)
        sent++;
    return sent;
}

void parcel_write(struct parcel *parcel, mach_port_t to, mach_msg_descriptor_type_t type)
{
    size_t descriptor = type == MACH_MSG_PORT_DESCRIPTOR ? sizeof parcel->port : sizeof parcel->memory;
    memset(parcel, 0, sizeof *parcel);
    rig_msg_to(&parcel->base.header, to, MACH_MSG_TYPE_COPY_SEND, 0x9a9a,
               (mach_msg_size_t)(sizeof parcel->base + descriptor));
    rig_msg_complex(&parcel->base, 1);
}

void parcel_take(mach_port_t from, struct parcel *parcel)
{
    memset(parcel, 0, sizeof *parcel);
    REQUIRE_KERN(rig_msg_receive(&parcel->base.header, sizeof *parcel, from, rig_msg_patience()));
    REQUIRE(parcel->base.header.msgh_bits & MACH_MSGH_BITS_COMPLEX);
    REQUIRE_EQ_INT(parcel->base.body.msgh_descriptor_count, 1);
}

unsigned refs(mach_port_t name, mach_port_right_t right)
{
    mach_port_urefs_t count = 0;
    return rig_port_get_refs(rig_task(), name, right, &count) == KERN_SUCCESS ? count : 0;
}

void pattern_fill(uint8_t *bytes, size_t size, uint8_t seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed + i + (i >> 8) * 7);
}

bool pattern_is(const uint8_t *bytes, size_t size, uint8_t seed)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (uint8_t)(seed + i + (i >> 8) * 7))
            return false;
    return true;
}

uint8_t *pages(size_t size, uint8_t seed)
{
    mach_vm_address_t address = 0;
    REQUIRE_KERN(mach_vm_allocate(rig_task(), &address, size, VM_FLAGS_ANYWHERE));
    uint8_t *bytes = (uint8_t *)(uintptr_t)address;
    pattern_fill(bytes, size, seed);
    return bytes;
}

bool is_mapped(const void *address)
{
    struct rig_region region;
    mach_vm_address_t at = (mach_vm_address_t)(uintptr_t)address;
    return rig_vm_region(rig_task(), at, &region) == KERN_SUCCESS && region.address <= at && region.rights != VM_PROT_NONE;
}

void pages_free(void *address, size_t size)
{
    CHECK_KERN(mach_vm_deallocate(rig_task(), (mach_vm_address_t)(uintptr_t)address, size), KERN_SUCCESS);
}
