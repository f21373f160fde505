"""Where nodes stand in the subject hierarchy.

In Slicer its plugins make an item for every node as it is added; without Qt nobody does, so that items are made here
where they are missing.
"""

import slicer
import vtk


def add_item(node: slicer.vtkMRMLNode) -> int:
    """The item of a node, made where it is missing."""
    hierarchy = _hierarchy(node)
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    return item


def place_beside(node: slicer.vtkMRMLNode, neighbour: slicer.vtkMRMLNode) -> None:
    """Put a node into the folder, study or patient of another one, and under the same parent transform."""
    hierarchy = _hierarchy(node)
    hierarchy.SetItemParent(add_item(node), hierarchy.GetItemParent(add_item(neighbour)))
    if node.IsA("vtkMRMLTransformableNode") and neighbour.IsA("vtkMRMLTransformableNode"):
        node.SetAndObserveTransformNodeID(neighbour.GetTransformNodeID())


def add_folder(neighbour: slicer.vtkMRMLNode, name: str) -> int:
    """A new folder beside a node."""
    hierarchy = _hierarchy(neighbour)
    return hierarchy.CreateFolderItem(hierarchy.GetItemParent(add_item(neighbour)), name)


def move_to_folder(node: slicer.vtkMRMLNode, folder: int) -> None:
    """Put a node into a folder."""
    _hierarchy(node).SetItemParent(add_item(node), folder)


def remove_folder(scene: slicer.vtkMRMLScene, folder: int) -> None:
    """Remove an empty folder, if it is still there."""
    hierarchy, items = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene), vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    if items.IsId(folder) >= 0:
        hierarchy.RemoveItem(folder)


def remove_with_display(node: slicer.vtkMRMLNode) -> None:
    """Remove a node from its scene and the hierarchy, with the display and storage nodes that are its own."""
    scene, own = node.GetScene(), []
    hierarchy = _hierarchy(node)
    item = hierarchy.GetItemByDataNode(node)
    if item != hierarchy.GetInvalidItemID():
        hierarchy.RemoveItem(item, False, False)
    if node.IsA("vtkMRMLDisplayableNode"):
        own += [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        own += [node.GetStorageNode()]
    scene.RemoveNode(node)
    for other in own:
        if other is not None and other.GetScene() is scene:
            scene.RemoveNode(other)


def _hierarchy(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
