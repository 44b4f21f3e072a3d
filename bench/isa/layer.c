/*
 * A Vulkan layer for bench/isa: a driver whose GPU isn't there compiles pipelines, and nothing else is asked of it.
 *
 * Mesa's RADV pretends to have the card that RADV_FORCE_FAMILY names. It compiles for it, but can neither record commands
 * nor keep memory. This layer answers in its place: memory is the host's, commands are dropped, fences and semaphores are
 * numbers that have always been signalled. Everything else goes through to the driver.
 *
 *     gcc -O1 -shared -fPIC -o libisa.so layer.c      (layer.ts does it, and writes the manifest that the loader reads)
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>
#include <vulkan/vk_layer.h>

static PFN_vkGetInstanceProcAddr instanceBelow;
static PFN_vkGetDeviceProcAddr deviceBelow;
static VkInstance instance;

/* The next element of the chain that the loader prepared for this call. */
static const void *linkOf(const void *chain, VkStructureType type) {
  for (const VkLayerInstanceCreateInfo *at = chain; at; at = at->pNext)
    if (at->sType == type && at->function == VK_LAYER_LINK_INFO) return at;
  return NULL;
}

static VkResult createInstance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *by, VkInstance *made) {
  VkLayerInstanceCreateInfo *link = (void *)linkOf(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  instanceBelow = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  VkResult result = ((PFN_vkCreateInstance)instanceBelow(NULL, "vkCreateInstance"))(info, by, made);
  instance = *made;
  return result;
}

static VkResult createDevice(VkPhysicalDevice card, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *by, VkDevice *made) {
  VkLayerDeviceCreateInfo *link = (void *)linkOf(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  PFN_vkGetInstanceProcAddr below = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  deviceBelow = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  return ((PFN_vkCreateDevice)below(instance, "vkCreateDevice"))(card, info, by, made);
}

/* What needs no doing. Callers pass more arguments, which the calling conventions of x86-64 and arm64 allow. */
static VkResult done(void) { return VK_SUCCESS; }

static VkResult newHandle(VkDevice device, const void *info, const VkAllocationCallbacks *by, uint64_t *made) {
  static uint64_t last;
  *made = ++last;
  return VK_SUCCESS;
}

static VkResult counterValue(VkDevice device, VkSemaphore semaphore, uint64_t *value) {
  *value = UINT64_MAX / 2; /* beyond whatever is waited for */
  return VK_SUCCESS;
}

static void memoryProperties(VkPhysicalDevice card, VkPhysicalDeviceMemoryProperties *told) {
  memset(told, 0, sizeof *told);
  told->memoryHeapCount = told->memoryTypeCount = 1;
  told->memoryHeaps[0] = (VkMemoryHeap){16ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
  told->memoryTypes[0].propertyFlags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
}

static void memoryProperties2(VkPhysicalDevice card, VkPhysicalDeviceMemoryProperties2 *told) {
  memoryProperties(card, &told->memoryProperties);
}

static VkResult allocate(VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *by, VkDeviceMemory *made) {
  *made = (VkDeviceMemory)(uintptr_t)calloc(1, info->allocationSize);
  return *made ? VK_SUCCESS : VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static void release(VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks *by) {
  free((void *)(uintptr_t)memory);
}

static VkResult map(VkDevice device, VkDeviceMemory memory, VkDeviceSize at, VkDeviceSize size, VkFlags flags, void **seen) {
  *seen = (char *)(uintptr_t)memory + at;
  return VK_SUCCESS;
}

/* Any buffer or image may lie in the one type of memory. */
static void bufferNeeds(VkDevice device, VkBuffer buffer, VkMemoryRequirements *told) {
  ((PFN_vkGetBufferMemoryRequirements)deviceBelow(device, "vkGetBufferMemoryRequirements"))(device, buffer, told);
  told->memoryTypeBits = 1;
}

static void bufferNeeds2(VkDevice device, const VkBufferMemoryRequirementsInfo2 *info, VkMemoryRequirements2 *told) {
  ((PFN_vkGetBufferMemoryRequirements2)deviceBelow(device, "vkGetBufferMemoryRequirements2"))(device, info, told);
  told->memoryRequirements.memoryTypeBits = 1;
}

static void imageNeeds(VkDevice device, VkImage image, VkMemoryRequirements *told) {
  ((PFN_vkGetImageMemoryRequirements)deviceBelow(device, "vkGetImageMemoryRequirements"))(device, image, told);
  told->memoryTypeBits = 1;
}

static PFN_vkVoidFunction ofDevice(VkDevice device, const char *name);
static PFN_vkVoidFunction ofInstance(VkInstance instance, const char *name);

#define ANSWER(name, function) {name, (PFN_vkVoidFunction)function}
static const struct {
  const char *name;
  PFN_vkVoidFunction function;
} answers[] = {
  ANSWER("vkCreateInstance", createInstance), ANSWER("vkCreateDevice", createDevice),
  ANSWER("vkGetInstanceProcAddr", ofInstance), ANSWER("vkGetDeviceProcAddr", ofDevice),
  /* memory */
  ANSWER("vkGetPhysicalDeviceMemoryProperties", memoryProperties),
  ANSWER("vkGetPhysicalDeviceMemoryProperties2", memoryProperties2),
  ANSWER("vkGetPhysicalDeviceMemoryProperties2KHR", memoryProperties2),
  ANSWER("vkAllocateMemory", allocate), ANSWER("vkFreeMemory", release), ANSWER("vkMapMemory", map), ANSWER("vkUnmapMemory", done),
  ANSWER("vkFlushMappedMemoryRanges", done), ANSWER("vkInvalidateMappedMemoryRanges", done),
  ANSWER("vkBindBufferMemory", done), ANSWER("vkBindBufferMemory2", done), ANSWER("vkBindImageMemory", done), ANSWER("vkBindImageMemory2", done),
  ANSWER("vkGetBufferMemoryRequirements", bufferNeeds), ANSWER("vkGetBufferMemoryRequirements2", bufferNeeds2),
  ANSWER("vkGetBufferMemoryRequirements2KHR", bufferNeeds2), ANSWER("vkGetImageMemoryRequirements", imageNeeds),
  ANSWER("vkUpdateDescriptorSets", done), ANSWER("vkUpdateDescriptorSetWithTemplate", done), ANSWER("vkUpdateDescriptorSetWithTemplateKHR", done),
  /* commands */
  ANSWER("vkBeginCommandBuffer", done), ANSWER("vkEndCommandBuffer", done), ANSWER("vkResetCommandBuffer", done),
  ANSWER("vkResetCommandPool", done), ANSWER("vkFreeCommandBuffers", done), ANSWER("vkDestroyCommandPool", done),
  ANSWER("vkQueueSubmit", done), ANSWER("vkQueueSubmit2", done), ANSWER("vkQueueSubmit2KHR", done), ANSWER("vkGetQueryPoolResults", done),
  /* waiting */
  ANSWER("vkCreateFence", newHandle), ANSWER("vkDestroyFence", done), ANSWER("vkGetFenceStatus", done), ANSWER("vkResetFences", done),
  ANSWER("vkWaitForFences", done), ANSWER("vkGetFenceFdKHR", done), ANSWER("vkImportFenceFdKHR", done),
  ANSWER("vkCreateSemaphore", newHandle), ANSWER("vkDestroySemaphore", done), ANSWER("vkWaitSemaphores", done), ANSWER("vkWaitSemaphoresKHR", done),
  ANSWER("vkGetSemaphoreCounterValue", counterValue), ANSWER("vkGetSemaphoreCounterValueKHR", counterValue),
  ANSWER("vkQueueWaitIdle", done), ANSWER("vkDeviceWaitIdle", done),
};

static PFN_vkVoidFunction answer(const char *name) {
  if (!strncmp(name, "vkCmd", 5)) return (PFN_vkVoidFunction)done;
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
    if (!strcmp(name, answers[i].name)) return answers[i].function;
  return NULL;
}

static PFN_vkVoidFunction ofDevice(VkDevice device, const char *name) {
  PFN_vkVoidFunction found = answer(name);
  return found ? found : deviceBelow ? deviceBelow(device, name) : NULL;
}

static PFN_vkVoidFunction ofInstance(VkInstance from, const char *name) {
  PFN_vkVoidFunction found = answer(name);
  return found ? found : instanceBelow ? instanceBelow(from, name) : NULL;
}

VK_LAYER_EXPORT VkResult vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version) {
  if (version->loaderLayerInterfaceVersion > 2) version->loaderLayerInterfaceVersion = 2;
  version->pfnGetInstanceProcAddr = ofInstance;
  version->pfnGetDeviceProcAddr = ofDevice;
  version->pfnGetPhysicalDeviceProcAddr = NULL;
  return VK_SUCCESS;
}
