"""How the tables of the panels are laid out."""

import qt


def layOut(table, titles, wide, heights):
    """Give a table its columns.

    Args:
        table: to lay out.
        titles: of the columns.
        wide: how many of the first columns share the width that is left; the others are as wide as their content.
        heights: least and largest, in pixels.
    """
    table.setHorizontalHeaderLabels(titles)
    table.verticalHeader().hide()
    header = table.horizontalHeader()
    for column in range(len(titles)):
        header.setSectionResizeMode(
            column, qt.QHeaderView.Stretch if column < wide else qt.QHeaderView.ResizeToContents
        )
    table.setMinimumHeight(heights[0])
    table.setMaximumHeight(heights[1])
