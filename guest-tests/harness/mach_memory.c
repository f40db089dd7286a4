/* mach_memory.c - see mach_memory.h. Numbers and layouts: xnu osfmk/mach/mach_vm.defs (from 4800), the same in 4570 and
 * 7195. MIG packs its structures to 4 bytes. */
#include "mach_memory.h"

#ifdef __APPLE__

#pragma pack(push, 4)
struct simple_reply {
    mach_msg_header_t head;
    NDR_record_t ndr;
    kern_return_t code;
    mach_msg_trailer_t trailer;
};
#pragma pack(pop)

#define SEND(task, id, request, reply) rig_mig((task), (id), &(request).head, sizeof(request), &(reply).head, sizeof(reply))

kern_return_t rig_vm_protect(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, boolean_t maximum,
                             vm_prot_t rights)
{
    RIG_FIRST(mach_vm_protect, (task, address, size, maximum, rights));
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        mach_vm_address_t address;
        mach_vm_size_t size;
        boolean_t maximum;
        vm_prot_t rights;
    } request = {.ndr = NDR_record, .address = address, .size = size, .maximum = maximum, .rights = rights};
#pragma pack(pop)
    struct simple_reply reply;
    return SEND(task, 4802, request, reply);
}

kern_return_t rig_vm_read(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, vm_offset_t *data,
                          mach_msg_type_number_t *count)
{
    RIG_FIRST(mach_vm_read, (task, address, size, data, count));
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        mach_vm_address_t address;
        mach_vm_size_t size;
    } request = {.ndr = NDR_record, .address = address, .size = size};
    struct {
        mach_msg_header_t head;
        mach_msg_body_t body;
        mach_msg_ool_descriptor_t data;
        NDR_record_t ndr;
        mach_msg_type_number_t count;
        mach_msg_trailer_t trailer;
    } reply;
#pragma pack(pop)
    kern_return_t result = SEND(task, 4804, request, reply);
    if (result == KERN_SUCCESS) {
        *data = (vm_offset_t)reply.data.address;
        *count = reply.count;
    }
    return result;
}

kern_return_t rig_vm_write(vm_map_t task, mach_vm_address_t address, vm_offset_t data, mach_msg_type_number_t count)
{
    RIG_FIRST(mach_vm_write, (task, address, data, count));
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        mach_msg_body_t body;
        mach_msg_ool_descriptor_t data;
        NDR_record_t ndr;
        mach_vm_address_t address;
        mach_msg_type_number_t count;
    } request = {.head.msgh_bits = MACH_MSGH_BITS_COMPLEX,
                 .body.msgh_descriptor_count = 1,
                 .data = {.address = (void *)data,
                          .size = count,
                          .copy = MACH_MSG_VIRTUAL_COPY,
                          .type = MACH_MSG_OOL_DESCRIPTOR},
                 .ndr = NDR_record,
                 .address = address,
                 .count = count};
#pragma pack(pop)
    struct simple_reply reply;
    return SEND(task, 4806, request, reply);
}

kern_return_t rig_vm_read_overwrite(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                                    mach_vm_address_t data, mach_vm_size_t *got)
{
    RIG_FIRST(mach_vm_read_overwrite, (task, address, size, data, got));
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        mach_vm_address_t address;
        mach_vm_size_t size;
        mach_vm_address_t data;
    } request = {.ndr = NDR_record, .address = address, .size = size, .data = data};
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        kern_return_t code;
        mach_vm_size_t got;
        mach_msg_trailer_t trailer;
    } reply;
#pragma pack(pop)
    kern_return_t result = SEND(task, 4808, request, reply);
    if (result == KERN_SUCCESS)
        *got = reply.got;
    return result;
}

kern_return_t rig_vm_copy(vm_map_t task, mach_vm_address_t from, mach_vm_size_t size, mach_vm_address_t to)
{
    RIG_FIRST(mach_vm_copy, (task, from, size, to));
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        mach_vm_address_t from;
        mach_vm_size_t size;
        mach_vm_address_t to;
    } request = {.ndr = NDR_record, .from = from, .size = size, .to = to};
#pragma pack(pop)
    struct simple_reply reply;
    return SEND(task, 4807, request, reply);
}

kern_return_t rig_vm_remap(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size, mach_vm_offset_t mask,
                           int flags, vm_map_t from_task, mach_vm_address_t from, boolean_t copy, vm_prot_t *rights,
                           vm_prot_t *max_rights, vm_inherit_t inheritance)
{
    RIG_FIRST(mach_vm_remap,
              (task, address, size, mask, flags, from_task, from, copy, rights, max_rights, inheritance));
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t from_task;
        NDR_record_t ndr;
        mach_vm_address_t address;
        mach_vm_size_t size;
        mach_vm_offset_t mask;
        int flags;
        mach_vm_address_t from;
        boolean_t copy;
        vm_inherit_t inheritance;
    } request = {.head.msgh_bits = MACH_MSGH_BITS_COMPLEX,
                 .body.msgh_descriptor_count = 1,
                 .from_task = {.name = from_task,
                               .disposition = MACH_MSG_TYPE_COPY_SEND,
                               .type = MACH_MSG_PORT_DESCRIPTOR},
                 .ndr = NDR_record,
                 .address = *address,
                 .size = size,
                 .mask = mask,
                 .flags = flags,
                 .from = from,
                 .copy = copy,
                 .inheritance = inheritance};
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        kern_return_t code;
        mach_vm_address_t address;
        vm_prot_t rights, max_rights;
        mach_msg_trailer_t trailer;
    } reply;
#pragma pack(pop)
    kern_return_t result = SEND(task, 4813, request, reply);
    if (result == KERN_SUCCESS) {
        *address = reply.address;
        *rights = reply.rights;
        *max_rights = reply.max_rights;
    }
    return result;
}

kern_return_t rig_vm_region(vm_map_t task, mach_vm_address_t address, struct rig_region *region)
{
    vm_region_basic_info_data_64_t info;
    mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
    mach_port_t object = MACH_PORT_NULL;
    region->address = address;
    kern_return_t result = mach_vm_region(task, &region->address, &region->size, VM_REGION_BASIC_INFO_64,
                                          (vm_region_info_t)&info, &count, &object);
    if (result != KERN_SUCCESS)
        return result;
    if (object != MACH_PORT_NULL)
        mach_port_deallocate(rig_task(), object);
    region->rights = info.protection;
    region->max_rights = info.max_protection;
    region->inheritance = info.inheritance;
    region->shared = info.shared;
    return result;
}

kern_return_t rig_peek(task_t task, const volatile void *address, void *bytes, size_t size)
{
    mach_vm_size_t got = 0;
    kern_return_t result = rig_vm_read_overwrite(task, (mach_vm_address_t)address, size, (mach_vm_address_t)bytes, &got);
    return result == KERN_SUCCESS && got != size ? KERN_FAILURE : result;
}

kern_return_t rig_poke(task_t task, const volatile void *address, const void *bytes, size_t size)
{
    mach_vm_address_t at = (mach_vm_address_t)address;
    struct rig_region region;
    kern_return_t result = rig_vm_region(task, at, &region);
    if (result != KERN_SUCCESS)
        return result;
    if (region.address > at || region.address + region.size < at + size)
        return KERN_INVALID_ADDRESS;
    bool closed = !(region.rights & VM_PROT_WRITE);
    if (closed) {
        result = rig_vm_protect(task, at, size, FALSE, VM_PROT_READ | VM_PROT_WRITE | VM_PROT_COPY);
        if (result != KERN_SUCCESS)
            return result;
    }
    result = rig_vm_write(task, at, (vm_offset_t)bytes, (mach_msg_type_number_t)size);
    if (closed) {
        kern_return_t restored = rig_vm_protect(task, at, size, FALSE, region.rights);
        if (result == KERN_SUCCESS)
            result = restored;
    }
    return result;
}

#endif
