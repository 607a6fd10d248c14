"""How the page looks: readable on light and dark ground, on a phone and on paper, with what has the focus marked."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f23;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;--link:#0a5fa5;
--warn:#fff4d6;--warnline:#b98900}
@media(prefers-color-scheme:dark){:root{--ground:#14171a;--ink:#e6e9ec;--soft:#a3abb3;--line:#3a4148;--card:#1c2126;
--link:#6cb6ff;--warn:#3a2f10;--warnline:#d9a520}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem 1.2rem 4rem;max-width:70rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:.6rem 0 .2rem}h2{font-size:1.3rem;margin:2.2rem 0 .6rem;
border-bottom:1px solid var(--line);padding-bottom:.2rem}h3{font-size:1.05rem;margin:1.4rem 0 .3rem}
a{color:var(--link)}a:focus-visible,summary:focus-visible,audio:focus-visible,.wide:focus-visible{outline:3px solid
var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--ground);padding:.3rem .6rem}
.soft{color:var(--soft)}nav{margin:.5rem 0}nav a{margin-right:1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(13.5rem,45%),1fr));
gap:.7rem;margin:1rem 0;padding:0}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
.tiles dt{color:var(--soft);font-size:.9rem}.tiles dd{margin:0}.tiles .value{font-size:1.5rem;font-weight:600}
.tiles .more{color:var(--soft);font-size:.85rem}
figure{margin:1rem 0}figure svg,figure img{width:100%;height:auto;display:block}figure img{border-radius:.3rem}
figcaption{color:var(--soft);font-size:.9rem;margin-top:.3rem}
.wide{overflow-x:auto}.wide svg{min-width:38rem}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
th{border-bottom:2px solid var(--line);font-weight:600;white-space:normal;vertical-align:bottom}
td.l,th.l{text-align:left}
h2+.over{border-top:0}td.w{white-space:normal;min-width:10rem}
.note{background:var(--warn);border-left:4px solid var(--warnline);padding:.5rem .8rem;border-radius:.2rem}
.note ul{margin:.3rem 0;padding-left:1.2rem}
.players{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:.8rem}
.players p{margin:.1rem 0}audio{width:100%}
blockquote{margin:.2rem 0;padding:.1rem .7rem;border-left:3px solid var(--line)}
details{margin:.4rem 0}summary{cursor:pointer}pre{overflow-x:auto;font-size:.8rem;background:var(--card);padding:.6rem;
max-height:30rem}
.over{border-top:1px solid var(--line);padding-top:.4rem;break-inside:avoid}
@media print{nav,.skip{display:none}body{max-width:none}}
"""
