"""Colours and style sheets: one dark and one light theme."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from app.icons import RESOURCES


@dataclass(frozen=True)
class Theme:
    """Named colours.

    Attributes:
        window: behind panels; panel: their ground; raised: fields and buttons; hover, line: their states and borders.
        text, muted: words; accent: fills and selections; on_accent: words on it; focus: the focus ring.
        ground_top, ground_bottom: the viewport's gradient.
    """

    name: str
    window: QColor
    panel: QColor
    raised: QColor
    hover: QColor
    line: QColor
    text: QColor
    muted: QColor
    accent: QColor
    on_accent: QColor
    focus: QColor
    ground_top: QColor
    ground_bottom: QColor


FAINT = 0.51
"""Share of the muted colour in words that cannot be used now."""


def _theme(name: str, *colours: str) -> Theme:
    return Theme(name, *(QColor(colour) for colour in colours))


DARK = _theme(
    "dark",
    *("#191a1c", "#212225", "#2c2e32", "#383a3f", "#36383d", "#e6e6e3", "#a3a5aa"),
    *("#e0a15e", "#1a1410", "#e0a15e", "#3a3c41", "#222427"),
)
LIGHT = _theme(
    "light",
    *("#dcdcda", "#f1f1ef", "#ffffff", "#e6e6e3", "#cbcbc8", "#232426", "#5d5f64"),
    *("#b0661b", "#ffffff", "#b0661b", "#c9cacb", "#a9abad"),
)


def chosen_theme(name: str) -> Theme:
    """The theme called "dark" or "light"; the system's for "system"."""
    if name == "system":
        scheme = QGuiApplication.styleHints().colorScheme()
        return LIGHT if scheme == Qt.ColorScheme.Light else DARK
    return LIGHT if name == "light" else DARK


def apply_theme(application: QApplication, theme: Theme) -> None:
    """Dress the whole application."""
    application.setStyle("Fusion")
    application.setFont(interface_font())
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in {
        roles.Window: theme.panel,
        roles.WindowText: theme.text,
        roles.Base: theme.raised,
        roles.AlternateBase: theme.panel,
        roles.Text: theme.text,
        roles.Button: theme.raised,
        roles.ButtonText: theme.text,
        roles.ToolTipBase: theme.raised,
        roles.ToolTipText: theme.text,
        roles.PlaceholderText: theme.muted,
        roles.Highlight: theme.accent,
        roles.HighlightedText: theme.on_accent,
        roles.Link: theme.accent,
        roles.Mid: theme.line,
    }.items():
        palette.setColor(role, colour)
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        faded = QColor(theme.muted)
        faded.setAlpha(round(255 * FAINT))
        palette.setColor(QPalette.ColorGroup.Disabled, role, faded)
    application.setPalette(palette)
    application.setStyleSheet(style_sheet(theme))


def _between(first: QColor, second: QColor, share: float) -> QColor:
    channels = zip(first.getRgb()[:3], second.getRgb()[:3], strict=True)
    return QColor(*(round(a * share + b * (1 - share)) for a, b in channels))


def interface_font() -> QFont:
    """The first of the usual interface typefaces that is installed, 10 points."""
    families = set(QFontDatabase.families())
    wanted = ("Inter", "Segoe UI", "SF Pro Text", "Cantarell", "Noto Sans", "Ubuntu", "DejaVu Sans")
    font = QFont(next((family for family in wanted if family in families), QFont().family()))
    font.setPointSizeF(9.0 if font.family() == "DejaVu Sans" else 10.0)
    font.setStyleStrategy(QFont.StyleStrategy.PreferAntialias)
    return font


def style_sheet(theme: Theme) -> str:
    """The style sheet of a theme."""
    names = {name: getattr(theme, name).name() for name in theme.__dataclass_fields__ if name != "name"}
    names["faint"] = _between(theme.muted, theme.panel, FAINT).name()
    sheet = _SHEET
    for picture in ("check", "chevron"):
        sheet = sheet.replace(f"@{picture}", (RESOURCES / "icons" / f"{picture}.png").as_posix())
    # Longest first, so that @on_accent is not taken for @on.
    for name in sorted(names, key=len, reverse=True):
        sheet = sheet.replace(f"@{name}", names[name])
    return sheet


_SHEET = """
QMainWindow, QMainWindow::separator { background: @window; }
QMainWindow::separator { width: 4px; height: 4px; }
QMainWindow::separator:hover { background: @accent; }
QDockWidget { titlebar-close-icon: none; titlebar-normal-icon: none; color: @muted; }
QDockWidget::title { background: @panel; padding: 9px 12px 7px 12px; text-align: left; }
QWidget#panel, QScrollArea#panel, QScrollArea#panel > QWidget > QWidget { background: @panel; border: none; }
QScrollArea#page, QWidget#page { background: @window; border: none; }
QToolTip { background: @raised; color: @text; border: 1px solid @line; padding: 5px 7px; }
QMenuBar { background: @window; padding: 2px 6px; }
QMenuBar::item { background: transparent; padding: 5px 9px; border-radius: 4px; }
QMenuBar::item:selected { background: @hover; }
QMenu { background: @raised; border: 1px solid @line; padding: 5px; }
QMenu::item { padding: 6px 26px 6px 22px; border-radius: 4px; }
QMenu::item:selected { background: @accent; color: @on_accent; }
QMenu::item:disabled { color: @faint; }
QMenu::separator { height: 1px; background: @line; margin: 5px 8px; }
QToolBar { background: @window; border: none; padding: 3px 8px; spacing: 4px; }
QToolBar::separator { background: @line; width: 1px; margin: 6px 6px; }
QToolButton { border: 1px solid transparent; border-radius: 5px; padding: 5px 9px; color: @text; }
QToolButton:hover { background: @hover; }
QToolButton:checked { background: @raised; border-color: @line; color: @accent; }
QToolButton:focus { border-color: @focus; }
QToolButton:disabled { color: @faint; }
QToolButton::menu-indicator { image: none; }
QPushButton { background: @raised; border: 1px solid @line; border-radius: 5px; padding: 6px 14px; }
QPushButton:hover { background: @hover; }
QPushButton:pressed { background: @line; }
QPushButton:focus { border-color: @focus; }
QPushButton:default, QPushButton#primary { background: @accent; color: @on_accent; border-color: @accent; }
QPushButton:disabled { color: @faint; }
QPushButton:default:disabled, QPushButton#primary:disabled { background: @raised; color: @faint; border-color: @line; }
QPushButton#mode:checked { border-color: @accent; color: @accent; background: @hover; }
QPushButton#compact { padding: 6px 4px; }
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit {
    background: @raised; border: 1px solid @line; border-radius: 5px; padding: 4px 7px;
    selection-background-color: @accent; selection-color: @on_accent; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus, QPlainTextEdit:focus { border-color: @focus; }
QAbstractSpinBox QLineEdit { background: transparent; border: 0px solid transparent; padding: 0 0 0 6px; }
QDoubleSpinBox#value QLineEdit { padding: 0 3px 0 0; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { width: 0; border: none; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox::down-arrow { image: url("@chevron"); width: 11px; height: 11px; }
QComboBox QAbstractItemView { background: @raised; border: 1px solid @line; selection-background-color: @accent;
    selection-color: @on_accent; outline: none; }
QDoubleSpinBox#value { background: transparent; border: 1px solid transparent; padding: 1px 0; color: @muted; }
QDoubleSpinBox#value:hover { background: @raised; }
QDoubleSpinBox#value:focus { background: @raised; border-color: @focus; color: @text; }
QDoubleSpinBox#value[moved="true"] { color: @text; }
QDoubleSpinBox#value:disabled { color: @faint; }
QLabel#muted { color: @muted; }
QLabel#heading { font-size: 21pt; font-weight: 300; }
QLabel#group { color: @muted; font-weight: 600; }
QToolButton#group, QToolButton#group:checked, QToolButton#group:hover { color: @text; font-weight: 600; padding: 7px 4px;
    background: transparent; border-color: transparent; }
QToolButton#group:focus { border-color: @focus; }
QToolButton#lock { padding: 0; border: none; }
QListWidget { background: @panel; border: 1px solid transparent; outline: none; }
QListWidget:focus { border-color: @focus; }
QListWidget::item { padding: 5px 10px; border-radius: 4px; }
QListWidget::item:hover { background: @hover; }
QListWidget::item:selected { background: @raised; color: @text; border-left: 2px solid @accent; }
QTabBar { background: @panel; qproperty-drawBase: 0; }
QTabBar::tab { background: transparent; color: @muted; padding: 8px 12px; border: none;
    border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: @text; border-bottom-color: @accent; }
QTabBar::tab:hover { color: @text; }
QTabWidget::pane { border: none; }
QStatusBar { background: @window; color: @muted; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: @muted; padding: 0 6px; }
QProgressBar { background: @raised; border: none; border-radius: 3px; height: 6px;
    text-align: center; color: transparent; }
QProgressBar::chunk { background: @accent; border-radius: 3px; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar::handle:vertical { background: @line; border-radius: 4px; min-height: 30px; margin: 1px 2px; }
QScrollBar::handle:vertical:hover { background: @muted; }
QScrollBar:horizontal { background: transparent; height: 10px; }
QScrollBar::handle:horizontal { background: @line; border-radius: 4px; min-width: 30px; margin: 2px 1px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QFrame#card { background: @panel; border: 1px solid @line; border-radius: 8px; }
QFrame#card:hover, QFrame#card:focus { border-color: @accent; }
QFrame#rule { background: @line; max-height: 1px; border: none; }
QFrame#notice { background: @raised; border: 1px solid @accent; border-radius: 6px; }
QCheckBox { spacing: 7px; }
QCheckBox::indicator, QGroupBox::indicator { width: 13px; height: 13px; border: 1px solid @muted; border-radius: 3px;
    background: @raised; }
QCheckBox::indicator:disabled { border-color: @faint; }
QCheckBox::indicator:focus, QGroupBox::indicator:focus { border-color: @focus; }
QCheckBox::indicator:checked, QGroupBox::indicator:checked { background: @accent; border-color: @accent;
    image: url("@check"); }
QGroupBox { border: 1px solid @line; border-radius: 6px; margin-top: 17px; padding-top: 5px; }
QGroupBox::title { subcontrol-origin: margin; left: 2px; }
QSlider::groove:horizontal { height: 3px; background: @line; border-radius: 1px; }
QSlider::sub-page:horizontal { background: @accent; border-radius: 1px; }
QSlider::handle:horizontal { width: 12px; height: 12px; margin: -5px 0; border-radius: 6px; background: @text; }
QSlider::handle:horizontal:focus { background: @focus; }
QSlider::sub-page:horizontal:disabled, QSlider::handle:horizontal:disabled { background: @faint; }
QDialog { background: @panel; }
"""
